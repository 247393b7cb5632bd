"""The whole check: what `start` sees, and what must open files, build networks and measure."""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from histotile.checks.folds import check_folds
from histotile.checks.forecast.forecast import Forecast, forecast
from histotile.checks.forecast.sample import Seen, choose, look_at_slides
from histotile.checks.machine import check_machine, check_room
from histotile.checks.network import check_network
from histotile.checks.problem import Level, Problem, attempt, errors
from histotile.checks.start import Start
from histotile.config import Config
from histotile.io.cohort import Cohort

Progress = Callable[[int, int], None]
_ID = re.compile(r"[a-z_]+-[0-9a-f]{8}")


@dataclass(frozen=True)
class Report:
    """All that was found, and what a run will take; where that is unknown, why it is."""

    problems: tuple[Problem, ...]
    forecast: Forecast | None = None
    no_forecast: str | None = None

    def to_json(self) -> dict[str, Any]:
        """JSON-able: a list per level, and the forecast or why there is none."""
        lists = {
            f"{level}s" if level != "later" else level: [
                p.to_json() for p in self.problems if p.level == level
            ]
            for level in ("error", "warning", "later")
        }
        found = self.forecast.to_json() if self.forecast else None
        return {**lists, "forecast": found, "no_forecast": self.no_forecast}


def examine(start: Start, measured: bool, progress: Progress) -> Report:
    """Everything wrong, and the forecast.

    Args:
        start: What was seen without opening anything.
        measured: Whether to make the forecast, which tries every stage on a few tiles.
        progress: Called with slides looked at, and slides in all.
    """
    problems, config, cohort = list(start.problems), start.config, start.cohort
    if config is None:
        return Report((*problems, *_LATER), no_forecast=_MISTAKES)
    problems += check_machine(config) + check_network(config) + _ids(config)
    if cohort is None:
        return Report((*problems, *_LATER), no_forecast=_MISTAKES)
    if not any(problem.stage == "split" for problem in errors(problems)):
        problems += check_folds(cohort, config)
    cores, seen = os.cpu_count() or 1, list[Seen]()
    if start.listing is None:
        seen = _look(cohort, config, cores, progress)
        problems += _of_slides(seen, config)
    reason = _without(start, measured, seen, problems)
    if reason is not None:
        return Report((*problems, *_LATER), no_forecast=reason)
    found = attempt(problems, forecast, seen, cohort.slides, config, cores)
    if found is None:
        return Report((*problems, *_LATER), no_forecast=_MISTAKES)
    problems += check_room(config, found.disk, found.memory_mb)
    return Report((*problems, *_LATER), found)


_MISTAKES = "errors stand in its way"


def _without(
    start: Start, measured: bool, seen: Sequence[Seen], problems: Sequence[Problem]
) -> str | None:
    """Why there is no forecast; None if one can be made."""
    if not measured:
        return "it was not asked for"
    if errors(problems):
        return _MISTAKES
    if start.listing is not None:
        return (
            "the tiles are images of their own, and what is forecast is measured on slides; after "
            "a run, the folder `benchmarks` in its results says what a part of the cohort took"
        )
    return None if any(one.tiles for one in seen) else "no slide looked at has a tile"


def _look(cohort: Cohort, config: Config, cores: int, progress: Progress) -> list[Seen]:
    chosen = choose(cohort.slides)
    seen = []
    for one in look_at_slides(chosen, config, cores):
        seen.append(one)
        progress(len(seen), len(chosen))
    return seen


def _of_slides(seen: Sequence[Seen], config: Config) -> list[Problem]:
    problems: list[Problem] = []
    stops = config.inspect.unknown_mpp == "stop"
    for one in seen:
        where = f"slide {one.slide.slide_id}"
        if one.reason:
            level: Level = "error" if stops and "mpp" in one.reason else "warning"
            problems.append(Problem(level, where, f"cannot be used: {one.reason}"))
        for subject, fact, remedy in one.faults:
            told = fact if subject == where else f"{subject}: {fact}"
            problems.append(Problem("error", where, told, remedy))
    remarks: dict[str, list[str]] = {}
    for one in seen:
        for remark in one.remarks:
            remarks.setdefault(remark, []).append(one.slide.slide_id)
    return problems + [
        Problem("warning", f"slide {', '.join(names)}", remark) for remark, names in remarks.items()
    ]


def _ids(config: Config) -> list[Problem]:
    remedy = "copy the id from the message, e.g. spelling-1f0c77aa"
    return [
        Problem("error", f"accept.{name}", "is no id of a finding", remedy)
        for name in config.accept
        if not _ID.fullmatch(name)
    ]


_LATER = (
    Problem("later", "inspect", "slides beyond the sample that cannot be read, duplicates"),
    Problem("later", "tile", "damaged tiles, and labels of slides beyond the sample"),
    Problem("later", "decide", "leaks between patients, and sites or formats that tell the label"),
)
