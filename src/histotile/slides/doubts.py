"""What may be wrong with a slide although it reads: scale, level 0, colours, orientation."""

from typing import Any, NamedTuple

from histotile.config import Inspect
from histotile.io.findings import Finding
from histotile.slides.colour_check import check_colours
from histotile.slides.levels.findings import doubt_level_0
from histotile.slides.metadata.tiff_pages import ORIENTATIONS, TiffFacts, read_tiff_facts
from histotile.slides.mpp import Scale, find_scale
from histotile.slides.slide import Slide

# Kind of a finding -> problem of the slide that it stands for.
PROBLEMS = {"level": "level", "colour": "colour", "orientation": "orientation", "scale": "mpp"}


class Doubts(NamedTuple):
    """What was found.

    Attributes:
        scale: The slide's mpp.
        findings: What sets the slide aside unless the user accepts it.
        remarks: What a reader should know.
    """

    scale: Scale
    findings: list[Finding]
    remarks: list[str]


def look_closer(slide: Slide, slide_id: str, settings: Inspect, mpp: float | None) -> Doubts:
    """Holds the slide's levels, colours and scales against each other.

    Args:
        slide: An open slide.
        slide_id: Its name in the cohort; ids of findings follow from it.
        settings: What counts as a believable mpp.
        mpp: um per level-0 px as the cohort file gives it.
    """
    facts = read_tiff_facts(slide.path, slide.vendor, slide.level_sizes, slide.downsamples)
    if facts and slide.reader == "image":  # which shows pages as stored
        facts = facts._replace(scrambled=False)
    if facts and slide.joins_planes:
        facts = facts._replace(grey=False, channels=0)
    others = facts.claims if facts else ()
    scale = find_scale(slide.properties, slide.vendor, settings, mpp, others)
    colours = check_colours(slide, facts)
    findings = doubt_level_0(slide, slide_id, facts)
    if colours.fault:
        named = ("colour", f"{slide_id}: colours", slide_id)
        findings.append(Finding(*named, colours.fault, colours.remedy))
    remarks = [colours.remark] if colours.remark else []
    if facts and facts.orientation in ORIENTATIONS:
        turned = _turned(slide, slide_id, facts)
        findings += [turned] if facts.scrambled else []
        remarks += [] if facts.scrambled else [turned.fact]
    if scale.contradiction:
        findings.append(_contradiction(slide_id, scale.contradiction))
    return Doubts(scale, findings, [*remarks, *scale.remarks])


def verdict(scale: Scale, standing: list[Finding]) -> dict[str, Any]:
    """Whether a slide that reads can be used, and at what mpp; of several problems the gravest.

    Args:
        scale: Its mpp.
        standing: Findings that the user did not accept.
    """
    reasons = [f"[{f.id}] {f.fact} (remedy: {f.remedy})" for f in standing]
    problems = [PROBLEMS[f.kind] for f in standing]
    if scale.reason:
        reasons, problems = [*reasons, scale.reason], [*problems, "mpp"]
    if not problems:
        known = {"mpp": scale.mpp, "mpp_source": scale.source}
        return known | {"verdict": "ok", "problem": None, "reason": None}
    believed = {} if "mpp" in problems else {"mpp": scale.mpp, "mpp_source": scale.source}
    return believed | {"problem": problems[0], "reason": "; ".join(reasons)}


def _turned(slide: Slide, slide_id: str, facts: TiffFacts) -> Finding:
    tag, how = facts.orientation, ORIENTATIONS[facts.orientation]
    if facts.scrambled:
        fact = f"TIFF orientation {tag} ({how}), for which OpenSlide turns every tile by itself"
    else:
        size = f"{slide.width} x {slide.height}"
        shown = f"{slide.height} x {slide.width}" if tag > 4 else size
        fact = (
            f"TIFF orientation {tag}: viewers that heed it show the slide {how} ({shown} px), here "
            f"it is read as stored ({size} px); outlines drawn there lie elsewhere"
        )
    remedy = (
        "write it upright: `vips autorot IN.tif 'OUT.tif[tile,pyramid,compression=jpeg,bigtiff]'`, "
        "or say so if it is: `tiffset -s 274 1 COPY.tif`"
    )
    return Finding("orientation", f"{slide_id}: {tag}", slide_id, fact, remedy)


def _contradiction(slide_id: str, said: str) -> Finding:
    return Finding(
        "scale",
        f"{slide_id}: {said}",
        slide_id,
        f"its scales contradict each other (um/px): {said}",
        "write the right one into the column `mpp` of the cohort file; if it stands there, accept "
        "this finding by its id",
    )
