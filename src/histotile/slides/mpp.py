"""Where a slide's mpp comes from, whether it can be believed, and who says otherwise."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from histotile.config import Inspect
from histotile.slides.metadata.ome_xml import imagej_mpp, ome_mpp
from histotile.slides.metadata.properties import positive

COLUMN, TAG, DENSITY = "cohort column", "TIFF tag", "density of the picture file"
SAME, CONTRADICTION = 1.05, 1.5  # factors between two values of mpp
SAME_POWER = 1.2  # a nominal magnification is that far from the true one


class Claim(NamedTuple):
    """What one source says: mpp in x and y (um per level-0 px).

    Attributes:
        nominal: Whether it follows from a nominal magnification.
        binding: Whether it can contradict another; else it only deserves a remark.
    """

    source: str
    x: float
    y: float
    nominal: bool = False
    binding: bool = True

    @property
    def mpp(self) -> float:
        """Mean of x and y."""
        return (self.x + self.y) / 2

    def __str__(self) -> str:
        return f"{self.source}: {self.mpp:.4g}"


class Scale(NamedTuple):
    """The mpp found and what is to be said of it.

    Attributes:
        mpp: um per level-0 px; None if there is none.
        source: Who says so.
        reason: Why there is none.
        remarks: What was passed over, and smaller contradictions, with both values.
        contradiction: Who says otherwise by more than a factor of 1.5, with all values.
    """

    mpp: float | None
    source: str | None
    reason: str | None
    remarks: tuple[str, ...] = ()
    contradiction: str | None = None


def find_scale(
    properties: Mapping[str, str],
    vendor: str,
    settings: Inspect,
    mpp: float | None = None,
    others: Sequence[Claim] = (),
) -> Scale:
    """The mpp of a slide, from the first of its sources that says something.

    In this order: the cohort file, OpenSlide's mpp, OME-XML, the TIFF resolution tags, 10 /
    objective power (if trusted). The first three are deliberate statements: where they are
    impossible, no other source is believed instead. TIFF tags are often a default of the writing
    program (72 dpi): impossible ones are passed over, and a remark says so.

    All that is said is compared. The cohort file's value settles contradictions within the file,
    but contradicts a file of which nothing is near it.

    Args:
        properties: What OpenSlide knows of the slide.
        vendor: Its format as OpenSlide names it.
        settings: Bounds of what is believable.
        mpp: The cohort file's value (um per level-0 px), if any.
        others: Claims that are only compared.
    """
    remarks: list[str] = []
    claims = list(_claims(properties, vendor, mpp))
    for claim in claims:
        if claim.nominal and not settings.trust_objective_power:
            continue
        doubt = _doubt(claim, settings)
        if doubt is None:
            rest = [c for c in (*claims, *others) if c is not claim]
            told = [c for c in rest if c.source not in (TAG, DENSITY) or c.mpp <= settings.mpp_max]
            far = _contradicting(claim, [c for c in rest if not _doubt(c, settings)])
            said = (*remarks, *_differences(claim, [c for c in told if c not in far]))
            clash = "; ".join(map(str, (claim, *far))) if far else None
            return Scale(claim.mpp, claim.source, None, said, clash)
        if claim.source not in (TAG, DENSITY):
            return Scale(None, None, "; ".join([doubt, *remarks]))
        remarks.append(doubt)
    known = "mpp unknown: " + ("; ".join(remarks) or "the file says nothing about it")
    power, by_imagej = objective_power(properties), imagej_mpp(properties)
    if power and not settings.trust_objective_power:
        known += f"; objective power {power:g} is not trusted (inspect.trust_objective_power)"
    if by_imagej:
        known += f"; ImageJ's description seems to mean {by_imagej:.4g} um/px: confirm it"
    return Scale(None, None, known)


def objective_power(properties: Mapping[str, str]) -> float | None:
    """Nominal magnification of the objective; None if the slide does not say."""
    return positive(properties.get("openslide.objective-power"))


# Their objectives are followed by camera adapters: 20x may well mean 0.23 um/px.
_OTHER_POWERS = {"mirax", "zeiss"}


def _claims(properties: Mapping[str, str], vendor: str, mpp: float | None) -> Iterator[Claim]:
    if mpp is not None:
        yield Claim(COLUMN, mpp, mpp)
    x, y = (positive(properties.get(f"openslide.mpp-{axis}")) for axis in "xy")
    generic = vendor == "generic-tiff"  # there OpenSlide passes the TIFF tag on
    if x and y and not generic:
        yield Claim("property openslide.mpp-x", x, y)
    sides = [positive(properties.get(f"openslide.level[0].{side}")) for side in ("width", "height")]
    size = (int(sides[0]), int(sides[1])) if sides[0] and sides[1] else None
    by_ome = ome_mpp(properties.get("tiff.ImageDescription", ""), size)
    if by_ome:
        yield Claim("OME-XML", *by_ome)
    tag = Claim(TAG, x, y) if x and y and generic else _tag(properties)
    if tag and (vendor in {"aperio", "generic-tiff"} or not (x and y)):
        yield tag
    power = objective_power(properties)
    if power:
        named, binding = f"objective power {power:g}", vendor not in _OTHER_POWERS
        yield Claim(named, 10 / power, 10 / power, nominal=True, binding=binding)
    millimetres = [
        positive(properties.get(f"dicom.ImagedVolume{side}")) for side in ("Width", "Height")
    ]
    if size and millimetres[0] and millimetres[1]:
        across, down = (1000 * mm / px for mm, px in zip(millimetres, size, strict=True) if mm)
        yield Claim("DICOM imaged volume", across, down)


def _tag(properties: Mapping[str, str]) -> Claim | None:
    unit_um = {"inch": 25400.0, "centimeter": 10000.0}.get(
        properties.get("tiff.ResolutionUnit", "")
    )
    x, y = (positive(properties.get(f"tiff.{axis}Resolution")) for axis in "XY")
    if unit_um and x and y:
        return Claim(TAG, unit_um / x, unit_um / y)
    x, y = (positive(properties.get(f"picture.{axis}Resolution")) for axis in "XY")  # px per inch
    return Claim(DENSITY, 25400 / x, 25400 / y) if x and y else None


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


def _factor(one: Claim, other: Claim) -> float:
    return max(one.mpp / other.mpp, other.mpp / one.mpp)


def _differences(claim: Claim, rest: Sequence[Claim]) -> Iterator[str]:
    for other in rest:
        limit = SAME_POWER if claim.nominal or other.nominal else SAME
        if _factor(claim, other) > limit:
            taken = f"the {claim.source} says mpp {claim.mpp:.4g} (taken)"
            means = "means" if other.nominal else "says"
            yield f"{taken}, the {other.source} {means} {other.mpp:.4g}"


def _contradicting(claim: Claim, rest: Sequence[Claim]) -> list[Claim]:
    binding = [other for other in rest if other.binding]
    far = [other for other in binding if _factor(claim, other) > CONTRADICTION]
    return [] if claim.source == COLUMN and len(far) < len(binding) else far
