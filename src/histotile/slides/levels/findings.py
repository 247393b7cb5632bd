"""What is to be said of a slide's levels: those left out, and whether level 0 is the slide."""

from histotile.io.findings import Finding
from histotile.slides.metadata.tiff_pages import TiffFacts
from histotile.slides.slide import Slide


def left_out(slide: Slide) -> dict[str, str]:
    """Number of each level that is not used -> why."""
    reasons = {str(k): slide.left_out(k) for k in range(len(slide.level_sizes))}
    return {level: why for level, why in reasons.items() if why}


def doubt_level_0(slide: Slide, slide_id: str, facts: TiffFacts | None) -> list[Finding]:
    """A finding where rather level 0 than the other levels shows something else than the slide.

    Args:
        slide: An open slide.
        slide_id: Its name in the cohort.
        facts: Of its TIFF pages, if it is one.
    """
    out = [int(level) for level in left_out(slide)]
    fact = ""
    largest = slide.level_sizes[0]
    if facts and facts.first != largest and facts.first in {slide.level_sizes[k] for k in out}:
        fact = (
            f"the first page of the file ({facts.first[0]} x {facts.first[1]} px) shows something "
            f"else than its largest ({slide.width} x {slide.height} px), which is read as level 0"
        )
    elif slide.levels.level_0_is_blank(out):
        fact = "level 0 is blank, coarser levels are not"
    elif slide.levels.agree_otherwise(out):
        fact = f"levels {', '.join(map(str, out))} agree with each other, but not with level 0"
    remedy = "export the slide again from the scanner's archive, without label and macro pictures"
    return [Finding("level", f"{slide_id}: level 0", slide_id, fact, remedy)] if fact else []
