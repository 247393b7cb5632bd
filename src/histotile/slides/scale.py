"""Where a slide's mpp comes from, and whether it can be believed."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from histotile.config import Inspect
from histotile.slides.slide import positive


class Claim(NamedTuple):
    """What one source says: mpp in x and y (um per level-0 px)."""

    source: str
    x: float
    y: float

    @property
    def mpp(self) -> float:
        """Mean of x and y."""
        return (self.x + self.y) / 2


class Scale(NamedTuple):
    """The mpp found (um per level-0 px) and its source, or why there is none; and remarks."""

    mpp: float | None
    source: str | None
    reason: str | None
    remarks: tuple[str, ...]


def find_scale(
    properties: Mapping[str, str], vendor: str, settings: Inspect, mpp: float | None = None
) -> Scale:
    """The mpp of a slide, from the first of its sources that says something.

    In this order: the cohort file, OpenSlide's mpp, the TIFF resolution tags, 10 / objective power
    (if trusted). The first two are deliberate statements: where they are impossible, no other
    source is believed instead. TIFF tags are often a default of the writing program: impossible
    ones are passed over, and a remark says so.

    Args:
        properties: What OpenSlide knows of the slide.
        vendor: Its format as OpenSlide names it.
        settings: Bounds of what is believable.
        mpp: The cohort file's value (um per level-0 px), if any.
    """
    remarks: list[str] = []
    for claim in _claims(properties, vendor, settings.trust_objective_power, mpp):
        doubt = _doubt(claim, settings)
        if doubt is None:
            return Scale(claim.mpp, claim.source, None, (*remarks, *_clash(claim, properties)))
        if claim.source != "TIFF tag":
            return Scale(None, None, "; ".join([doubt, *remarks]), ())
        remarks.append(doubt)
    known = "mpp unknown: " + ("; ".join(remarks) or "the file says nothing about it")
    power = objective_power(properties)
    if power and not settings.trust_objective_power:
        known += f"; objective power {power:g} is not trusted (inspect.trust_objective_power)"
    return Scale(None, None, known, ())


def objective_power(properties: Mapping[str, str]) -> float | None:
    """Nominal magnification of the objective; None if the slide does not say."""
    return positive(properties.get("openslide.objective-power"))


def _claims(
    properties: Mapping[str, str], vendor: str, trust_power: bool, mpp: float | None
) -> Iterator[Claim]:
    if mpp is not None:
        yield Claim("cohort column", mpp, mpp)
    x, y = (positive(properties.get(f"openslide.mpp-{axis}")) for axis in "xy")
    if x and y:
        generic = vendor == "generic-tiff"  # there OpenSlide passes the TIFF tag on
        yield Claim("TIFF tag" if generic else "property openslide.mpp-x", x, y)
    else:
        tag = _tag(properties)
        if tag:
            yield tag
    power = objective_power(properties)
    if power and trust_power:
        yield Claim(f"objective power {power:g}", 10 / power, 10 / power)


def _tag(properties: Mapping[str, str]) -> Claim | None:
    unit_um = {"inch": 25400.0, "centimeter": 10000.0}.get(
        properties.get("tiff.ResolutionUnit", "")
    )
    x, y = (positive(properties.get(f"tiff.{axis}Resolution")) for axis in "XY")
    return Claim("TIFF tag", unit_um / x, unit_um / y) if unit_um and x and y else None


def _doubt(claim: Claim, settings: Inspect) -> str | None:
    low, high = min(claim.x, claim.y), max(claim.x, claim.y)
    value = f"{claim.mpp:.4g}" if high - low < 1e-3 * low else f"{claim.x:.4g} x {claim.y:.4g}"
    if low < settings.mpp_min or high > settings.mpp_max:
        return (
            f"mpp {value} um/px from {claim.source} is impossible: outside "
            f"{settings.mpp_min:g}-{settings.mpp_max:g}"
        )
    if (high - low) / low > settings.max_anisotropy:
        return (
            f"mpp {value} um/px from {claim.source} is not square: x and y differ by "
            f"{(high - low) / low:.0%}, more than {settings.max_anisotropy:.0%}"
        )
    return None


def _clash(claim: Claim, properties: Mapping[str, str]) -> list[str]:
    own = positive(properties.get("openslide.mpp-x"))
    if claim.source != "cohort column" or own is None or abs(own / claim.mpp - 1) <= 0.05:
        return []
    return [f"the cohort column says mpp {claim.mpp:.4g}, the file says {own:.4g}"]
