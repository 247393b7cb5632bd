"""What a whole run will take: tiles, processor hours, memory and disk, by stage."""

import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from histotile.checks.forecast.bench import Points
from histotile.checks.forecast.cost import (
    Cost,
    line,
)
from histotile.checks.forecast.sample import Seen
from histotile.checks.forecast.training_cost import (
    CACHE_BYTES,
    SPARE,
    tiles_passed,
    trains_layers,
)
from histotile.checks.forecast.trial import (
    MEASURED,
    Trial,
)
from histotile.config import Config
from histotile.io.cohort import CohortSlide

_OF_SLIDES = ("inspect", "mask", "heatmap", "report-slide")  # measured on whole slides


@dataclass(frozen=True)
class Stage:
    """What a stage takes.

    Attributes:
        name: The verb.
        jobs: How often it runs.
        cpu_s: Processor time of all its jobs together, s.
        memory_mb: Peak of its largest job, MB.
        disk: What it leaves, bytes.
        bound: Whether the time is an upper bound: training may stop early.
    """

    name: str
    jobs: int
    cpu_s: float
    memory_mb: float
    disk: float
    bound: bool = False


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
    places = {len(with_tiles) * (2 * k + 1) // (2 * MEASURED) for k in range(MEASURED)}
    tried = [with_tiles[place] for place in sorted(places)]
    slides = len(cohort)
    patients = len({slide.patient_id for slide in cohort}) // len(config.classes)
    with tempfile.TemporaryDirectory(prefix="histotile-check-") as folder:
        points = Trial(Path(folder), config, tried, patients, cores).run()
    usable = round(slides * sum(one.reason is None for one in seen) / len(seen))
    tiles = round(slides * sum(one.tiles for one in seen) / len(seen))
    work = Work(slides, usable, tiles, _taught(seen, slides, config), _labelled(seen, slides))
    stages = tuple(_stages(points, work, config))
    return Forecast(slides, usable, tiles, len(seen), stages, _note(config))


@dataclass(frozen=True)
class Work:
    """How much there is to do: slides, tiles, tiles drawn for training, labelled tiles."""

    slides: int
    usable: int
    tiles: int
    taught: float
    labelled: float


def _taught(seen: Sequence[Seen], slides: int, config: Config) -> float:
    most = config.train.max_tiles_per_slide
    drawn = sum(min(most, n) for one in seen for n in one.labelled.values())
    return slides * drawn / len(seen)


def _labelled(seen: Sequence[Seen], slides: int) -> float:
    return slides * sum(sum(one.labelled.values()) for one in seen) / len(seen)


def _stages(points: Points, work: Work, config: Config) -> list[Stage]:
    folds = config.split.folds
    compared = min(float(config.baseline.max_tiles), work.labelled)
    once = {name: _mean(points[name]) for name in _OF_SLIDES}
    found = [
        _each("inspect", once["inspect"], work.slides),
        _one("triage", points["split"], 0),
        _each("mask", once["mask"], work.slides),
        _tiled("tile", points["tile"], work.slides, work.tiles),
        _one("split", points["split"], 0),
        _one("backbone", points["backbone"], 0),
        _tiled("embed", points["embed"], work.slides, work.tiles * (1 + config.embed.views)),
        _one("baseline", points["baseline"], compared),
        _one("decide", points["decide"], compared),
        _train(points, work, config),
        _compare(points, work, config),
        _one("verify", points["split"], 0, 1 if _strategies(config) else 0),
        _tiled("predict", points["predict"], work.slides, work.tiles),
        _one("aggregate", points["aggregate"], 0),
        _one("evaluate", points["evaluate"], 0),
        _each("heatmap", once["heatmap"], work.usable),
        _each("report-slide", once["report-slide"], work.usable),
        _one("export", points["export"], 0, folds),
        _one("report", points["report"], 0),
    ]
    return [stage for stage in found if stage.jobs]


def _train(points: Points, work: Work, config: Config) -> Stage:
    """Each fold, with something in hand for time."""
    folds = config.split.folds
    taught = work.taught * (folds - 1) / folds
    if trains_layers(config):
        cost = _of_layers(points, work, config)
    else:
        cost = line(_ordered(points["train"])).at(taught)
    return Stage(
        "train", folds, SPARE * cost.cpu_s * folds, cost.memory_mb, cost.disk * folds, True
    )


def _compare(points: Points, work: Work, config: Config) -> Stage:
    """Strategies start as they were measured, and grow as training does."""
    folds, heads = config.split.folds, min(3, _strategies(config))
    layers = _strategies(config) - heads
    (tiles, first), (tested, each) = points["compare"]
    taught = work.taught * (folds - 1) / folds
    slope = line(_ordered(points["train"])).slope
    cpu = heads * (first.cpu_s + slope.cpu_s * max(0.0, taught - tiles))
    peak = first.memory_mb + slope.memory_mb * max(0.0, taught - tiles)
    if layers:
        cost = _of_layers(points, work, config)
        cpu, peak = cpu + layers * cost.cpu_s, max(peak, cost.memory_mb)
    jobs, more = folds * (heads + layers), work.taught / folds - tested
    return Stage(
        "compare", jobs, SPARE * cpu * folds, peak, (first.disk + each.disk * more) * jobs, True
    )


def _of_layers(points: Points, work: Work, config: Config) -> Cost:
    """A training of all layers to its last planned epoch."""
    share = (config.split.folds - 1) / config.split.folds
    passed = tiles_passed(work.taught * share, work.slides * share, config)
    (_, _), (tiles, cost) = points["layers"]
    more = line(points["layers"]).slope.cpu_s * (passed - tiles)
    kept = min(CACHE_BYTES, 3 * config.tile.tile_px**2 * work.taught * share) / 1e6
    return replace(cost, cpu_s=cost.cpu_s + more, memory_mb=cost.memory_mb + kept)


def _ordered(points: Sequence[tuple[float, Cost]]) -> list[tuple[float, Cost]]:
    """Points by their number; several of one number as their mean."""
    numbers = sorted({number for number, _ in points})
    return [(n, _mean([point for point in points if point[0] == n])) for n in numbers]


def _mean(points: Sequence[tuple[float, Cost]]) -> Cost:
    values = [tuple(vars(cost).values()) for _, cost in points]
    cpu, wall, _, disk = (sum(column) / len(values) for column in zip(*values, strict=True))
    return Cost(cpu, wall, max(cost.memory_mb for _, cost in points), disk)


def _each(name: str, cost: Cost, jobs: int) -> Stage:
    return Stage(name, jobs, cost.cpu_s * jobs, cost.memory_mb, cost.disk * jobs)


def _tiled(name: str, points: Sequence[tuple[float, Cost]], jobs: int, tiles: float) -> Stage:
    """A stage with a job per slide that grows with the tiles."""
    grows = line(_ordered(points))
    typical, per_job = grows.at(tiles / max(1, jobs)), grows.start
    peak = max(typical.memory_mb, *(cost.memory_mb for _, cost in points))
    cpu = per_job.cpu_s * jobs + grows.slope.cpu_s * tiles
    return Stage(name, jobs, cpu, peak, per_job.disk * jobs + grows.slope.disk * tiles)


def _one(
    name: str,
    points: Sequence[tuple[float, Cost]],
    number: float,
    jobs: int = 1,
) -> Stage:
    """A stage of the cohort or of a fold; where its growth was not measured, it is constant."""
    grows = line(_ordered(points))
    cost = grows.at(number) if len(points) > 1 else grows.at(points[0][0])
    return Stage(name, jobs, cost.cpu_s * jobs, cost.memory_mb, cost.disk * jobs)


def _strategies(config: Config) -> int:
    """Trainings that `verify` compares, in each fold."""
    return {"off": 0, "probe": 3, "full": 5}[config.verify.budget]


def _note(config: Config) -> str:
    if trains_layers(config) or config.train.strategy != "auto":
        return ""
    return (
        "training is forecast for heads on cached features. Where the table chooses `finetune` or "
        "`retrain`, hours more are not included: set train.strategy to see their forecast"
    )
