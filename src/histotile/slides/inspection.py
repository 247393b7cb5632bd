"""What a slide file is, whether it can be read, and at what scale."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from histotile.config import Inspect
from histotile.errors import HistotileError
from histotile.io.findings import accept
from histotile.slides.doubts import look_closer, verdict
from histotile.slides.identity import identify
from histotile.slides.levels.findings import left_out
from histotile.slides.metadata.dicom import remark
from histotile.slides.metadata.properties import Bounds
from histotile.slides.metadata.scanner import name_scanner
from histotile.slides.mpp import objective_power
from histotile.slides.opening.files import checksum, slide_files
from histotile.slides.opening.first_look import inspect_apart
from histotile.slides.opening.first_reads import read_everywhere
from histotile.slides.picture import take_picture
from histotile.slides.slide import Slide


@dataclass(frozen=True)
class Inspection:
    """Facts about one slide file.

    Attributes:
        slide_id: Its name in the cohort.
        path: The file.
        verdict: "ok", or "quarantined": set aside with a reason, the cohort goes on.
        problem: Why quarantined: "unreadable", "mpp", "level" (level 0 is not the slide),
            "colour" or "orientation"; None if ok.
        reason: The problem in a sentence; None if ok.
        vendor: Format as OpenSlide names it, or "png", "jpeg", ...; None if it cannot be opened.
        width: Level-0 px; 0 if it cannot be opened.
        height: Level-0 px; 0 if it cannot be opened.
        levels: `width`, `height` (px) and `downsample` of each level.
        left_out: Number of each level that is not used -> why; no reader uses it.
        bounds: x, y, width, height of the scanned rectangle, level-0 px.
        mpp: um per level-0 px; None if unknown or impossible.
        mpp_source: Where the mpp comes from.
        objective_power: Nominal magnification; informative.
        checksum: SHA-256 over the contents of `hashed`, in that order.
        hashed: Names of the files behind the checksum: the slide file with, for MIRAX and
            Hamamatsu VMS, its companion files; of DICOM all files of the series.
        bytes: Size of these files together.
        format: Format in words.
        warnings: What a reader should know although the slide is usable.
        reader: Who will read its tiles: "direct" (each compressed tile decoded once, with
            OpenSlide's pixels), where that fits no level "openslide", and "image" of what OpenSlide
            does not take.
        reader_note: Why not the reader before it in this order; empty if there is nothing to say.
        identity: By which later stages notice that the slide was replaced; see `identity`.
        series: SeriesInstanceUID of a DICOM slide, which all its files share.
        picture: What it shows, small; see `take_picture`.
        scanner: What made the slide; None where the file does not say.
    """

    slide_id: str
    path: str
    verdict: Literal["ok", "quarantined"]
    problem: Literal["unreadable", "mpp", "level", "colour", "orientation"] | None
    reason: str | None
    vendor: str | None
    width: int
    height: int
    levels: list[dict[str, float]]
    bounds: tuple[int, int, int, int]
    mpp: float | None
    mpp_source: str | None
    objective_power: float | None
    checksum: str | None
    hashed: list[str]
    bytes: int
    format: str
    warnings: list[str]
    reader: str = "openslide"
    reader_note: str = ""
    left_out: dict[str, str] = field(default_factory=dict)
    identity: dict[str, Any] | None = None
    series: str | None = None
    picture: str | None = None
    scanner: str | None = None

    @property
    def usable_downsamples(self) -> list[float]:
        """Level-0 px per level px of each level; infinite for those that are left out."""
        return [
            math.inf if str(k) in self.left_out else level["downsample"]
            for k, level in enumerate(self.levels)
        ]

    def to_json(self) -> dict[str, Any]:
        """JSON-able facts; `from_json` gives the same inspection back."""
        return dataclasses.asdict(self) | {"bounds": list(self.bounds)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Inspection":
        """The inspection that `to_json` wrote."""
        return cls(**(data | {"bounds": tuple(data["bounds"])}))


def inspect_slide(
    path: Path,
    slide_id: str,
    settings: Inspect,
    mpp: float | None = None,
    accepted: Mapping[str, str] = MappingProxyType({}),
) -> Inspection:
    """Facts about a slide file; what is wrong with it stands in the verdict, nothing is raised.

    They are found by `examine` in a process of its own: whatever kills it is a reason, too.

    Args:
        path: The slide file.
        slide_id: Its name in the cohort.
        settings: What counts as a believable mpp.
        mpp: um per level-0 px as the cohort file gives it.
        accepted: Findings the user accepts, id -> reason; they become warnings.
    """
    return Inspection.from_json(inspect_apart(path, slide_id, settings, mpp, accepted))


def examine(
    path: Path,
    slide_id: str,
    settings: Inspect,
    mpp: float | None = None,
    accepted: Mapping[str, str] = MappingProxyType({}),
) -> Inspection:
    """Facts about a slide file, found in this process, which some damaged files end.

    1. Hashes the file. 2. Opens it. 3. Reads five windows of every level: the middle and the
    corners of the bounds. 4. Compares the readers. 5. Holds the levels against level 0 and looks
    at the colours. 6. Looks for the mpp and asks whether it is possible, and who says otherwise.

    Arguments are those of `inspect_slide`.
    """
    facts = vars(unopened(path, slide_id))
    try:
        with Slide.open(path) as slide:
            facts |= _of(slide)
            facts["warnings"] = [*remark(path), *slide.remarks, *read_everywhere(slide)]
            facts |= _reader_of(slide) | {"left_out": left_out(slide)}
            facts["picture"] = take_picture(slide)
            doubts = look_closer(slide, slide_id, settings, mpp)
    except HistotileError as error:
        facts["reason"] = f"{error.fact} (remedy: {error.remedy})"
        return Inspection(**facts)
    standing, settled = accept(doubts.findings, accepted)
    facts["warnings"] += [*facts["left_out"].values(), *doubts.remarks]
    facts["warnings"] += [f"accepted by the user: {accepted[f.id]}: {f.fact}" for f in settled]
    return Inspection(**(facts | verdict(doubts.scale, standing)))


def unopened(path: Path, slide_id: str, reason: str | None = None) -> Inspection:
    """What is known of a slide before it is opened, or if it cannot be."""
    try:
        files = slide_files(path)
    except HistotileError:
        files = []  # opening it will say so, too
    return Inspection(
        slide_id=slide_id,
        path=str(path),
        verdict="quarantined",
        problem="unreadable",
        reason=reason,
        vendor=None,
        width=0,
        height=0,
        levels=[],
        bounds=Bounds(0, 0, 0, 0),
        mpp=None,
        mpp_source=None,
        objective_power=None,
        checksum=checksum(files) if files else None,
        hashed=[str(file.relative_to(path.parent)) for file in files],
        bytes=sum(file.stat().st_size for file in files),
        format=f"{path.suffix.lower() or 'no suffix'} (not opened)",
        warnings=[],
        reader_note="not opened",
        identity=identify(path) if files else None,
    )


def _of(slide: Slide) -> dict[str, Any]:
    return {
        "vendor": slide.vendor,
        "format": slide.format,
        "width": slide.width,
        "height": slide.height,
        "levels": [
            {"width": size[0], "height": size[1], "downsample": downsample}
            for size, downsample in zip(slide.level_sizes, slide.downsamples, strict=True)
        ],
        "bounds": tuple(slide.bounds),
        "objective_power": objective_power(slide.properties),
        "series": slide.properties.get("dicom.SeriesInstanceUID"),
        "scanner": name_scanner(slide.properties, slide.vendor),
    }


def _reader_of(slide: Slide) -> dict[str, str]:
    for level in range(len(slide.level_sizes)):
        slide.settle(level)
    return {"reader": slide.reader, "reader_note": slide.reader_note}
