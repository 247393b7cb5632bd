"""Leaks and shortcuts put into a synthetic cohort on purpose, to see whether they are noticed."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np

from histotile.config import Synthesize
from histotile.synthetic.slides.pyramid import Flavour
from histotile.synthetic.slides.spec import Graft, Spec

WORSE = 15  # points of JPEG quality that a copy loses


@dataclass(frozen=True)
class SyntheticSlide:
    """One slide to be made: who, where, and what its pixels follow from."""

    slide_id: str
    patient_id: str
    site: str
    label: str
    flavour: Flavour
    quality: int  # of the JPEG encoding
    spec: Spec


def plant_leaks(settings: Synthesize, slides: list[SyntheticSlide]) -> list[SyntheticSlide]:
    """The slides with the leaks that the settings ask for; unchanged where they ask for none.

    Args:
        settings: How much of each.
        slides: A cohort, patient by patient.
    """
    planted = [_stained(settings.stain_label_shift, slide) for slide in slides]
    planted = _format(settings, planted)
    for first, second in _pairs(planted, settings.near_duplicate_rate > 0, "healthy"):
        planted[second] = _grafted(settings, planted[first], planted[second])
    pairs = list(_pairs(planted, settings.duplicate_slides > 0))
    wanted = round(settings.duplicate_slides * settings.patients)
    for first, second in pairs[: max(1, wanted)]:
        planted[second] = _copied(planted[first], planted[second])
    return planted


def _stained(shift: float, slide: SyntheticSlide) -> SyntheticSlide:
    if slide.label == "healthy":
        return slide
    spec, more = slide.spec, 1 + shift
    stronger = replace(spec, haematoxylin=more * spec.haematoxylin, eosin=more * spec.eosin)
    return replace(slide, spec=stronger)


def _format(settings: Synthesize, slides: list[SyntheticSlide]) -> list[SyntheticSlide]:
    """File formats as the label says, for the confounded share of patients."""
    rng = np.random.default_rng([settings.seed, 25])
    changed = []
    for _, own in groupby(slides, lambda slide: slide.patient_id):
        confounded = rng.uniform() < settings.format_label_confounding
        for slide in own:
            told: Flavour = "tiff" if slide.label == "healthy" else "svs"
            changed.append(replace(slide, flavour=told) if confounded else slide)
    return changed


def _pairs(
    slides: list[SyntheticSlide], wanted: bool, label: str | None = None
) -> Iterator[tuple[int, int]]:
    """First slides of two patients of the same label (if given: of this one), nobody twice.

    Patients of the same site come first, so that copies fit their new place.
    """
    firsts: dict[str, int] = {}
    for number, slide in enumerate(slides if wanted else []):
        if label in (None, slide.label):
            firsts.setdefault(slide.patient_id, number)
    for by_site in (True, False):
        groups: dict[tuple[str, str], list[int]] = {}
        for number in sorted(firsts.values()):
            place = slides[number].site if by_site else ""
            groups.setdefault((slides[number].label, place), []).append(number)
        for numbers in groups.values():
            for first, second in zip(numbers[::2], numbers[1::2], strict=False):
                yield first, second
                firsts = {p: n for p, n in firsts.items() if n not in (first, second)}


def _grafted(settings: Synthesize, donor: SyntheticSlide, slide: SyntheticSlide) -> SyntheticSlide:
    """The slide with a square of the donor's tissue in its middle, stained a little otherwise."""
    share = settings.near_duplicate_rate * settings.tissue_fraction
    side = int(settings.side_px * share**0.5) // 16 * 16
    start = (settings.side_px - side) // 32 * 16
    spec = donor.spec
    rescanned = replace(spec, haematoxylin=1.02 * spec.haematoxylin, eosin=0.98 * spec.eosin)
    graft = Graft(rescanned, start, start, side)
    return replace(slide, spec=replace(slide.spec, graft=graft))


def _copied(source: SyntheticSlide, slide: SyntheticSlide) -> SyntheticSlide:
    """The source's picture under the slide's name and patient, in another format and quality."""
    other: Flavour = "tiff" if source.flavour == "svs" else "svs"
    quality = max(30, source.quality - WORSE)
    return replace(slide, spec=source.spec, site=source.site, flavour=other, quality=quality)
