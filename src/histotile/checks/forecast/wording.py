"""The forecast in words."""

import math

from histotile.checks.forecast.forecast import Forecast
from histotile.checks.forecast.training_cost import SPARE


def tell_forecast(found: Forecast, cores: int) -> list[str]:
    """The forecast as lines for the terminal."""
    head = f"Forecast, from {found.sampled} of {found.slides} slides and a trial on this machine:"
    lines = [head, f"  {found.usable} slides to be used, about {found.tiles:,} tiles"]
    lines.append(f"  {'stage':14}{'jobs':>7}{'processor':>12}{'memory':>10}{'disk':>10}")
    for stage in found.stages:
        time = ("<= " if stage.bound else "") + duration(stage.cpu_s)
        row = f"{stage.jobs:>7}{time:>12}{stage.memory_mb / 1e3:>7.1f} GB{amount(stage.disk):>10}"
        lines.append(f"  {stage.name:14}{row}")
    lines.append(f"  <=: to the last planned epoch, and {SPARE - 1:.0%} in hand")
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
