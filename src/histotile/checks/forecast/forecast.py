"""What a whole run will take: tiles, processor hours, memory and disk, by stage."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from histotile.checks.forecast.made_up import Likeness
from histotile.checks.forecast.running import passing_folder
from histotile.checks.forecast.sample import Seen
from histotile.checks.forecast.stages import Stage, Work, stages_of
from histotile.checks.forecast.training_cost import trains_layers
from histotile.checks.forecast.trial import MEASURED, Trial
from histotile.config import Config
from histotile.io.cohort import CohortSlide


@dataclass(frozen=True)
class Forecast:
    """What a run will take.

    Attributes:
        slides: All slides of the cohort.
        usable: Those expected to be used.
        tiles: Tiles expected.
        sampled: Slides whose overviews were looked at.
        stages: In the order of the workflow.
        note: What the figures leave out.
    """

    slides: int
    usable: int
    tiles: int
    sampled: int
    stages: tuple[Stage, ...]
    note: str = ""

    @property
    def cpu_s(self) -> float:
        """Processor time of all stages, s."""
        return sum(stage.cpu_s for stage in self.stages)

    @property
    def disk(self) -> float:
        """Bytes of all results."""
        return sum(stage.disk for stage in self.stages)

    @property
    def memory_mb(self) -> float:
        """Peak of the largest job, MB."""
        return max(stage.memory_mb for stage in self.stages)

    def to_json(self) -> dict[str, Any]:
        """JSON-able, with the sums."""
        sums = {"cpu_s": self.cpu_s, "disk": self.disk, "memory_mb": self.memory_mb}
        return asdict(self) | sums


def forecast(
    seen: Sequence[Seen], cohort: Sequence[CohortSlide], config: Config, cores: int
) -> Forecast | None:
    """What the run will take, measured on a few tiles of this cohort; None without any tile.

    Args:
        seen: Slides whose overviews were looked at.
        cohort: Its slides.
        config: The settings.
        cores: Jobs run side by side in the trial.

    Raises:
        HistotileError: A stage fails in the trial.
    """
    with_tiles = sorted((one for one in seen if one.tiles), key=lambda one: one.tiles)
    if not with_tiles:
        return None
    tried = _tried(with_tiles)
    slides = len(cohort)
    like = Likeness.of(cohort, len(config.classes))
    with passing_folder() as folder:
        points = Trial(folder, config, tried, like, cores).run()
    usable = round(slides * sum(one.reason is None for one in seen) / len(seen))
    tiles = round(slides * sum(one.tiles for one in seen) / len(seen))
    work = Work(slides, usable, tiles, _taught(seen, slides, config), _labelled(seen, slides))
    stages = tuple(stages_of(points, work, config))
    return Forecast(slides, usable, tiles, len(seen), stages, _note(config))


def _tried(with_tiles: Sequence[Seen]) -> list[Seen]:
    """Slides with few, some and many tiles, that show as many classes as can be.

    Args:
        with_tiles: By their number of tiles.
    """
    parts = min(MEASURED, len(with_tiles))
    edges = [len(with_tiles) * part // parts for part in range(parts + 1)]
    chosen, shown = list[Seen](), set[str]()
    for low, high in pairwise(edges):
        middle = (low + high) // 2
        nearest = sorted(range(low, high), key=lambda place: abs(place - middle))
        best = max(nearest, key=lambda place: len(set(with_tiles[place].labelled) - shown))
        chosen.append(with_tiles[best])
        shown |= set(with_tiles[best].labelled)
    return chosen


def _taught(seen: Sequence[Seen], slides: int, config: Config) -> float:
    most = config.train.max_tiles_per_slide
    drawn = sum(min(most, n) for one in seen for n in one.labelled.values())
    return slides * drawn / len(seen)


def _labelled(seen: Sequence[Seen], slides: int) -> float:
    return slides * sum(sum(one.labelled.values()) for one in seen) / len(seen)


def _note(config: Config) -> str:
    if trains_layers(config) or config.train.strategy != "auto":
        return ""
    return (
        "training is forecast for heads on cached features. Most cohorts are retrained, and hours "
        "more of that are not included: set train.strategy: retrain to see them"
    )
