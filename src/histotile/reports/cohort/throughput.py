"""How fast a run was and what held it up, from the timings that `embed` and `predict` keep."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from histotile.inference.engines.hardware import engine_words

STAGES = ("embed", "predict")
Timing = Mapping[str, Any]


@dataclass(frozen=True)
class Speed:
    """One stage over all slides of a cohort.

    Args:
        stage: "embed" or "predict".
        slides: Slides with a timing and at least one tile.
        tiles: Of all of them.
        tiles_per_s: Median over slides.
        computing: Median share of the time in which the network computed (0-1).
        waiting: Median share of the time in which it waited for pixels.
        peak_memory_mb: Largest of all slides.
        engines: Engine, device and number format -> slides.
        readers: Reader -> slides.
        bottlenecks: What held a slide up most -> slides.
    """

    stage: str
    slides: int
    tiles: int
    tiles_per_s: float
    computing: float
    waiting: float
    peak_memory_mb: float
    engines: Mapping[str, int]
    readers: Mapping[str, int]
    bottlenecks: Mapping[str, int]


def list_speeds(timings: Iterable[Mapping[str, Timing]]) -> list[Speed]:
    """The stages that have timings, in the order of the workflow.

    Args:
        timings: Stage -> timing, of each slide.
    """
    slides = list(timings)
    found = ((stage, [s[stage] for s in slides if stage in s]) for stage in STAGES)
    parted = ((stage, [t for t in rows if t["tiles"]]) for stage, rows in found)
    return [_speed(stage, rows) for stage, rows in parted if rows]


def reader_words(timing: Timing) -> str:
    """E.g. "direct", "openslide: JPEG 2000" with why, or "image files"."""
    reader = timing["reader"] or "image files"
    note = timing["reader_note"]
    return f"{reader}: {note}" if note else str(reader)


def number(value: float) -> str:
    """Seconds or tiles per second as people read them: three digits, whole from 100 on."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def tell_counts(counts: Mapping[str, int]) -> str:
    """Each name with its number, most first; the name alone where there is only one."""
    if len(counts) == 1:
        return next(iter(counts))
    return ", ".join(f"{name} ({n})" for name, n in Counter(counts).most_common())


def _speed(stage: str, rows: Sequence[Timing]) -> Speed:
    return Speed(
        stage=stage,
        slides=len(rows),
        tiles=sum(int(row["tiles"]) for row in rows),
        tiles_per_s=median(row["tiles_per_s"] for row in rows),
        computing=median(row["computing_share"] for row in rows),
        waiting=median(row["waiting_share"] for row in rows),
        peak_memory_mb=max(row["peak_memory_mb"] for row in rows),
        engines=Counter(map(engine_words, rows)),
        readers=Counter(map(reader_words, rows)),
        bottlenecks=Counter(str(row["bottleneck"]) for row in rows),
    )
