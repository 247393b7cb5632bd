"""From what stages took on a few tiles to what they will take on a whole cohort."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from histotile.checks.forecast.bench import Points
from histotile.checks.forecast.cost import Cost, line
from histotile.checks.forecast.training_cost import (
    CACHE_BYTES,
    SPARE,
    passes,
    tails_compared,
    tiles_passed,
    trains_layers,
)
from histotile.config import Config

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
class Work:
    """How much there is to do: slides, tiles, tiles drawn for training, labelled tiles."""

    slides: int
    usable: int
    tiles: int
    taught: float
    labelled: float


def stages_of(points: Points, work: Work, config: Config) -> list[Stage]:
    """What each stage of a run takes, in the order of the workflow."""
    folds = config.split.folds
    compared = min(float(config.baseline.max_tiles), work.labelled)
    once = {name: _mean(points[name]) for name in _OF_SLIDES}
    found = [
        _each("inspect", once["inspect"], work.slides),
        _table("triage", points["triage"], work.slides),
        _each("mask", once["mask"], work.slides),
        _tiled("tile", points["tile"], work.slides, work.tiles),
        _table("split", points["split"], work.slides * folds),
        _one("backbone", points["backbone"], 0),
        _tiled("embed", points["embed"], work.slides, work.tiles * (1 + config.embed.views)),
        _baseline(points, compared),
        _one("decide", points["decide"], compared),
        _train(points, work, config),
        _compare(points, work, config),
        _one("verify", points["split"], 0, 1 if _cells(config) else 0),
        _tiled("predict", points["predict"], work.slides, work.tiles),
        _table("aggregate", points["aggregate"], work.slides),
        _one("evaluate", points["evaluate"], 0),
        _each("heatmap", once["heatmap"], work.usable),
        _each("report-slide", once["report-slide"], work.usable),
        _one("export", points["export"], 0, folds),
        _one("report", points["report"], work.slides),
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
    """Cells start as they were measured, and grow as training does."""
    folds, heads = config.split.folds, min(4, _cells(config)) - tails_compared(config)
    layers = _cells(config) - heads
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


def _table(name: str, points: Sequence[tuple[float, Cost]], rows: float) -> Stage:
    """A stage whose time is mostly that of its start, and that writes so many rows."""
    ((number, cost),) = points
    return Stage(name, 1, cost.cpu_s, cost.memory_mb, cost.disk * rows / number)


def _baseline(points: Points, compared: float) -> Stage:
    """It takes statistics of some tiles, and features of all that it compares."""
    cost = line(points["baseline"]).at(passes(compared))
    disk = line(points["baseline tiles"]).at(compared).disk
    return Stage("baseline", 1, cost.cpu_s, cost.memory_mb, disk)


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


def _cells(config: Config) -> int:
    """Trainings that `verify` compares, in each fold."""
    return {"off": 0, "probe": 4, "full": 6}[config.verify.budget]
