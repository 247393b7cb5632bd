"""What a whole run will take: tiles, processor hours, memory and disk, by stage."""

import math
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from histotile.checks.cost import Cost, line
from histotile.checks.sample import Seen
from histotile.checks.trial import MEASURED, Points, Trial
from histotile.config import Config

_OF_SLIDES = ("inspect", "mask", "heatmap", "report-slide")  # measured on whole slides
_TRAINED = ("finetune", "init")


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


def forecast(seen: Sequence[Seen], slides: int, config: Config, cores: int) -> Forecast | None:
    """What the run will take, measured on a few tiles of this cohort; None without any tile.

    Args:
        seen: Slides whose overviews were looked at.
        slides: Slides of the cohort.
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
    with tempfile.TemporaryDirectory(prefix="histotile-check-") as folder:
        points = Trial(Path(folder), config, tried, cores).run()
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
    folds, cells = config.split.folds, _cells(config)
    compared = min(float(config.control.max_tiles), work.labelled)
    taught = work.taught * (folds - 1) / folds
    once = {name: _mean(points[name]) for name in _OF_SLIDES}
    found = [
        _each("inspect", once["inspect"], work.slides),
        _one("triage", points["split"], 0),
        _each("mask", once["mask"], work.slides),
        _tiled("tile", points["tile"], work.slides, work.tiles),
        _one("split", points["split"], 0),
        _one("backbone", points["backbone"], 0),
        _tiled("embed", points["embed"], work.slides, work.tiles * (1 + config.embed.views)),
        _one("control", points["control"], compared),
        _one("decide", points["decide"], compared),
        _one("train", points["train"], taught, folds, bound=True),
        _one("rehearse", _grown(points), taught, folds * cells, bound=True),
        _one("verify", points["split"], 0, 1 if cells else 0),
        _tiled("predict", points["predict"], work.slides, work.tiles),
        _one("aggregate", points["aggregate"], 0),
        _one("evaluate", points["evaluate"], 0),
        _each("heatmap", once["heatmap"], work.usable),
        _each("report-slide", once["report-slide"], work.usable),
        _one("export", points["export"], 0, folds),
        _one("report", points["report"], 0),
    ]
    return [stage for stage in found if stage.jobs]


def _grown(points: Points) -> list[tuple[float, Cost]]:
    """Rehearsals start as they were measured, and grow as training does."""
    ((tiles, cost),), slope = points["rehearse"], line(_ordered(points["train"])).slope
    more = Cost(cost.cpu_s + slope.cpu_s * 1e3, 0.0, cost.memory_mb + slope.memory_mb * 1e3)
    return [(tiles, cost), (tiles + 1e3, more)]


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
    bound: bool = False,
) -> Stage:
    """A stage of the cohort or of a fold; where its growth was not measured, it is constant."""
    grows = line(_ordered(points))
    cost = grows.at(number) if len(points) > 1 else grows.at(points[0][0])
    return Stage(name, jobs, cost.cpu_s * jobs, cost.memory_mb, cost.disk * jobs, bound)


def _cells(config: Config) -> int:
    """Trainings that `verify` compares, in each fold."""
    return {"off": 0, "probe": 3, "full": 5}[config.verify.budget]


def _note(config: Config) -> str:
    learns = config.train.strategy in _TRAINED or config.verify.budget == "full"
    if config.train.strategy == "auto" or learns:
        return (
            "training is forecast for a head on cached features; where all layers are trained "
            "(`finetune`, `init`), it takes hours more"
        )
    return ""


def tell_forecast(found: Forecast, cores: int) -> list[str]:
    """The forecast as lines for the terminal."""
    head = f"Forecast, from {found.sampled} of {found.slides} slides and a trial on this machine:"
    lines = [head, f"  {found.usable} slides to be used, about {found.tiles:,} tiles"]
    lines.append(f"  {'stage':14}{'jobs':>7}{'processor':>12}{'memory':>10}{'disk':>10}")
    for stage in found.stages:
        time = ("<= " if stage.bound else "") + duration(stage.cpu_s)
        row = f"{stage.jobs:>7}{time:>12}{stage.memory_mb / 1e3:>7.1f} GB{amount(stage.disk):>10}"
        lines.append(f"  {stage.name:14}{row}")
    total = f"{duration(found.cpu_s)} of processor time ({found.cpu_s / 3600:.2f} h)"
    least = f"at least {duration(found.cpu_s / cores)} on {cores} cores"
    lines.append(f"  in all {total}, {least}; {amount(found.disk)} on disk")
    return [*lines, f"  {found.note}"] if found.note else lines


def duration(seconds: float) -> str:
    """E.g. "40 s", "12 min", "3.5 h"."""
    if seconds < 90:
        return f"{math.ceil(seconds)} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def amount(size: float) -> str:
    """E.g. "3 kB", "117 MB", "2.1 GB"."""
    for unit, least in (("GB", 1e9), ("MB", 1e6)):
        if size >= least:
            return f"{size / least:.1f} {unit}"
    return f"{size / 1e3:.0f} kB"
