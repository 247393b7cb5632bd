"""What a slide file is, whether it can be read, and at what scale."""

import dataclasses
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from histotile.config import Inspect
from histotile.errors import HistotileError
from histotile.slides.ink import lowest_and_highest
from histotile.slides.refusal import AGAIN, companions, missing_end
from histotile.slides.scale import find_scale, objective_power
from histotile.slides.scanner import name_scanner
from histotile.slides.slide import Bounds, Slide, UnreadableTile


@dataclass(frozen=True)
class Inspection:
    """Facts about one slide file.

    Attributes:
        slide_id: Its name in the cohort.
        path: The file.
        verdict: "ok", or "quarantined": set aside with a reason, the cohort goes on.
        problem: Why quarantined: "unreadable" or "mpp"; None if ok.
        reason: The problem in a sentence; None if ok.
        vendor: Format as OpenSlide names it; None if it cannot be opened.
        width: Level-0 px; 0 if it cannot be opened.
        height: Level-0 px; 0 if it cannot be opened.
        levels: `width`, `height` (px) and `downsample` of each level.
        bounds: x, y, width, height of the scanned rectangle, level-0 px.
        mpp: um per level-0 px; None if unknown or impossible.
        mpp_source: Where the mpp comes from.
        objective_power: Nominal magnification; informative.
        checksum: SHA-256 over the contents of `hashed`, in that order.
        hashed: Names of the files behind the checksum: the slide file and, for MIRAX and
            Hamamatsu VMS, its companion files.
        bytes: Size of these files together.
        format: Format in words.
        warnings: What a reader should know although the slide is usable.
        reader: Who will read its tiles: "direct" (each compressed tile decoded once, with
            OpenSlide's pixels) or, where that fits no level, "openslide".
        reader_note: What is left to OpenSlide, and why; empty if nothing.
        scanner: What made the slide; None where the file does not say.
    """

    slide_id: str
    path: str
    verdict: Literal["ok", "quarantined"]
    problem: Literal["unreadable", "mpp"] | None
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
    scanner: str | None = None

    def to_json(self) -> dict[str, Any]:
        """JSON-able facts; `from_json` gives the same inspection back."""
        return dataclasses.asdict(self) | {"bounds": list(self.bounds)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Inspection":
        """The inspection that `to_json` wrote."""
        return cls(**(data | {"bounds": tuple(data["bounds"])}))


def inspect_slide(
    path: Path, slide_id: str, settings: Inspect, mpp: float | None = None
) -> Inspection:
    """Facts about a slide file; what is wrong with it stands in the verdict, nothing is raised.

    1. Hashes the file. 2. Opens it. 3. Reads five windows of every level: the middle and the
    corners of the bounds. 4. Compares the readers. 5. Looks for the mpp and asks whether it is
    possible.

    Args:
        path: The slide file.
        slide_id: Its name in the cohort.
        settings: What counts as a believable mpp.
        mpp: um per level-0 px as the cohort file gives it.
    """
    files = [path, *companions(path)] if path.is_file() else []
    facts = _unopened(path, slide_id, files)
    try:
        with Slide.open(path) as slide:
            facts |= _of(slide)
            facts["warnings"] = _remarks(slide, _sample_levels(slide))
            facts |= _reader_of(slide)
            scale = find_scale(slide.properties, slide.vendor, settings, mpp)
    except HistotileError as error:
        facts["reason"] = f"{error.fact} (remedy: {error.remedy})"
        return Inspection(**facts)
    facts["warnings"] += scale.remarks
    facts |= {"mpp": scale.mpp, "mpp_source": scale.source, "reason": scale.reason}
    verdict = {"verdict": "ok", "problem": None} if scale.mpp else {"problem": "mpp"}
    return Inspection(**(facts | verdict))


def checksum(files: list[Path]) -> str:
    """SHA-256 (hex) of the contents of files one after the other; bounded memory."""
    hasher = hashlib.sha256()
    for file in files:
        with file.open("rb") as handle:
            while chunk := handle.read(1 << 20):
                hasher.update(chunk)
    return hasher.hexdigest()


_FORMATS = {
    "aperio": "Aperio SVS",
    "dicom": "DICOM",
    "generic-tiff": "tiled TIFF",
    "hamamatsu": "Hamamatsu",
    "leica": "Leica SCN",
    "mirax": "MIRAX",
    "philips": "Philips TIFF",
    "sakura": "Sakura SVSLIDE",
    "trestle": "Trestle TIFF",
    "ventana": "Ventana BIF",
    "zeiss": "Zeiss CZI",
}


def _unopened(path: Path, slide_id: str, files: list[Path]) -> dict[str, Any]:
    return {
        "slide_id": slide_id,
        "path": str(path),
        "verdict": "quarantined",
        "problem": "unreadable",
        "reason": None,
        "vendor": None,
        "width": 0,
        "height": 0,
        "levels": [],
        "bounds": Bounds(0, 0, 0, 0),
        "mpp": None,
        "mpp_source": None,
        "objective_power": None,
        "checksum": checksum(files) if files else None,
        "hashed": [str(file.relative_to(path.parent)) for file in files],
        "bytes": sum(file.stat().st_size for file in files),
        "format": f"{path.suffix.lower() or 'no suffix'} (not opened)",
        "warnings": [],
        "reader": "openslide",
        "reader_note": "not opened",
    }


def _of(slide: Slide) -> dict[str, Any]:
    return {
        "vendor": slide.vendor,
        "format": _FORMATS.get(slide.vendor, slide.vendor),
        "width": slide.width,
        "height": slide.height,
        "levels": [
            {"width": size[0], "height": size[1], "downsample": downsample}
            for size, downsample in zip(slide.level_sizes, slide.downsamples, strict=True)
        ],
        "bounds": tuple(slide.bounds),
        "objective_power": objective_power(slide.properties),
        "scanner": name_scanner(slide.properties, slide.vendor),
    }


def _reader_of(slide: Slide) -> dict[str, str]:
    for level in range(len(slide.level_sizes)):
        slide.settle(level)
    return {"reader": slide.reader, "reader_note": slide.reader_note}


def _sample_levels(slide: Slide) -> float:
    """Share of almost black px in the windows of the coarsest level, after reading all levels."""
    cut = missing_end(slide.path)
    if cut:
        raise HistotileError(slide.path, cut, AGAIN)
    dark = 0.0
    for level in range(len(slide.level_sizes)):
        try:
            dark = float(np.mean([_dark(slide, level, *place) for place in _PLACES]))
        except UnreadableTile as error:
            message = str(error.__cause__)
            raise HistotileError(
                slide.path,
                f"level {level} opens but its pixels do not read; OpenSlide says: {message}",
                AGAIN,
            ) from error
    return dark


_PLACES = ((0.5, 0.5), (0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0))
_WINDOW_PX = 256


def _dark(slide: Slide, level: int, right: float, down: float) -> float:
    downsample = slide.downsamples[level]
    bounds = slide.bounds
    width = max(1, min(_WINDOW_PX, int(bounds.width / downsample)))
    height = max(1, min(_WINDOW_PX, int(bounds.height / downsample)))
    x = bounds.x + round(right * (bounds.width - width * downsample))
    y = bounds.y + round(down * (bounds.height - height * downsample))
    rgba = np.asarray(slide.read_rgba(x, y, level, width, height))
    highest = lowest_and_highest(rgba)[1]
    return float(np.mean((rgba[..., 3] > 0) & (highest < 40)))


def _remarks(slide: Slide, dark: float) -> list[str]:
    remarks = []
    longest = max(slide.width, slide.height)
    if longest / max(slide.downsamples) > 20000:
        remarks.append(
            f"low levels are missing (coarsest downsample {max(slide.downsamples):g} of "
            f"{longest} px): overviews are slow to make"
        )
    if dark > 0.5:
        remarks.append("the background is black: fluorescence or padding, not brightfield glass")
    return remarks
