"""What the slides of a cohort hold, seen on overviews of at most twenty of them."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from histotile.config import Config
from histotile.errors import HistotileError
from histotile.io.cohort import CohortSlide

if TYPE_CHECKING:
    from histotile.slides.inspection import Inspection

Places = NDArray[np.int32]
MOST = 20
_NONE = np.empty(0, np.int32)


@dataclass(frozen=True)
class Seen:
    """What was seen of one slide.

    Attributes:
        slide: Its row of the cohort.
        mpp: um per level-0 px; None if unknown or the slide cannot be used.
        places: x and y (level-0 px) of its tiles with enough tissue.
        labels: Of these tiles; None where they take none.
        reason: Why it would be quarantined; None if it would not.
        faults: What would stop its stages: (subject, fact, remedy).
        remarks: What is doubtful though usable.
    """

    slide: CohortSlide
    mpp: float | None = None
    places: tuple[Places, Places] = field(default_factory=lambda: (_NONE, _NONE))
    labels: tuple[str | None, ...] = ()
    reason: str | None = None
    faults: tuple[tuple[str, str, str], ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def tiles(self) -> int:
        """Number of its tiles."""
        return len(self.places[0])

    @property
    def labelled(self) -> dict[str, int]:
        """Class -> tiles that take its label."""
        return dict(Counter(name for name in self.labels if name))


def choose(slides: Sequence[CohortSlide], most: int = MOST) -> list[CohortSlide]:
    """Slides spread evenly over the sizes of their files, smallest first."""
    there = sorted((s for s in slides if s.path.exists()), key=lambda s: _bytes(s.path))
    places = np.linspace(0, len(there) - 1, min(most, len(there))).round().astype(int)
    return [there[place] for place in places]


def look_at_slides(slides: Sequence[CohortSlide], config: Config, processes: int) -> Iterator[Seen]:
    """What is seen of each slide, in processes of their own: a file may end the one that opens it.

    Args:
        slides: Of the cohort.
        config: The settings.
        processes: Slides looked at side by side.
    """
    todo = list(slides)
    while todo:
        done = 0
        try:
            with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
                for seen in pool.map(look_at_slide, todo, [config] * len(todo)):
                    yield seen
                    done += 1
            return
        except BrokenProcessPool:
            yield from _alone(todo[done : done + processes], config)
            todo = todo[done + processes :]


def _alone(slides: Iterable[CohortSlide], config: Config) -> Iterator[Seen]:
    """One process for each: the slide that ends its process is found."""
    for slide in slides:
        try:
            with ProcessPoolExecutor(1, get_context("spawn")) as pool:
                yield pool.submit(look_at_slide, slide, config).result()
        except BrokenProcessPool:
            yield Seen(slide, reason="opening it ended the process that did")


def look_at_slide(slide: CohortSlide, config: Config) -> Seen:
    """What is seen of one slide: its scale, tissue, grid and labels; no tile is read."""
    from histotile.slides.inspection import inspect_slide

    found = inspect_slide(slide.path, slide.slide_id, config.inspect, slide.mpp)
    if found.verdict != "ok" or found.mpp is None:
        return Seen(slide, reason=found.reason)
    try:
        places, labels, remarks = _tiles(slide, found, config)
    except HistotileError as error:
        faults = tuple((error.subject, part, error.remedy) for part in error.parts)
        return Seen(slide, found.mpp, faults=faults, remarks=tuple(found.warnings))
    remarks = (*found.warnings, *remarks)
    return Seen(slide, found.mpp, places, labels, remarks=remarks)


def _tiles(
    slide: CohortSlide, found: "Inspection", config: Config
) -> tuple[tuple[Places, Places], tuple[str | None, ...], tuple[str, ...]]:
    from histotile.slides.annotations.read import read_layers
    from histotile.slides.overview import read_overview
    from histotile.slides.slide import Bounds, Slide
    from histotile.slides.tissue.tissue import find_tissue
    from histotile.tasks.registry import config_task
    from histotile.tiling.grid import plan_grid, tissue_fractions
    from histotile.tiling.labels import label_tiles
    from histotile.tiling.truth import SlideTruth

    assert found.mpp is not None
    with Slide.open(slide.path, found.mpp) as opened:
        overview, downsample = read_overview(opened, mpp=config.mask.mpp)
    tissue = find_tissue(overview, found.mpp * downsample, config.mask)
    grid = plan_grid(slide.slide_id, found.bounds, found.mpp, found.usable_downsamples, config.tile)
    size, outlines = (found.width, found.height), None
    if slide.annotations and config.tile.labels.source == "annotation":
        outlines = read_layers(slide.annotations, Bounds(*found.bounds), size)
    share = tissue_fractions(tissue, size, grid)
    rows, columns = np.nonzero(share >= config.tile.min_tissue_fraction - 1e-6)
    truth = SlideTruth(slide.slide_id, config_task(config), slide.label, outlines)
    x, y = grid.columns[columns], grid.rows[rows]
    labels = label_tiles(x, y, grid.size_level0_px, truth, config.tile.labels).labels
    remarks = (grid.empty_reason or "no tissue was found on its overview",) if not len(x) else ()
    return (x, y), tuple(labels), remarks


def _bytes(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
