"""A benchmark's table as CSV, with machine, load, commit and date, and as pictures."""

import csv
import datetime
import os
import statistics
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl

GREY, BLUE, RED = "#9aa3ad", "#0067a3", "#b34700"


@dataclass(frozen=True)
class Row:
    """One measured thing.

    Attributes:
        case: What is done.
        what: By which program.
        values: One per round.
        unit: Of the values.
        ratio: As `against` says.
        against: What the ratio compares with, as words after it: "times wsinfer's".
        goal: Of the ratio, in words.
        note: Anything else; why there are no values.
    """

    case: str
    what: str
    values: Sequence[float]
    unit: str
    ratio: float | None = None
    against: str = ""
    goal: str = ""
    note: str = ""

    @property
    def median(self) -> float:
        """Of the values; NaN where there are none."""
        return statistics.median(self.values) if self.values else float("nan")


class Picture(NamedTuple):
    """Bars of all rows of one unit.

    Attributes:
        name: Of the file, without its ending.
        unit: Whose rows are drawn.
        title: Above.
        log: Whether the axis is logarithmic.
    """

    name: str
    unit: str
    title: str
    log: bool = False


HERE = Path(__file__).parents[1]
HEAD = (
    *("case", "what", "median", "low", "high", "unit", "rounds"),
    *("ratio", "against", "goal", "note", "load", "machine", "date", "commit"),
)


def place(name: str, quick: bool) -> Path:
    """Where a table or picture belongs: beside the benchmark; that of a quick run in `.bench`."""
    folder = HERE.parent / ".bench" / "quick" if quick else HERE
    folder.mkdir(parents=True, exist_ok=True)
    return folder / name


def machine() -> str:
    """Processor, cores, and whether it computes in bfloat16."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    facts = {
        key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)
    }
    flags = facts.get("flags", "").split()
    sixteen = "bf16" if {"avx512_bf16", "amx_bf16"} & set(flags) else "no bf16"
    return f"{facts.get('model name', 'unknown')}, {os.cpu_count()} cores, {sixteen}"


def commit() -> str:
    """Short hash of the commit in force, with + where the package was changed since; "" unknown."""
    git = ("git", "-C", str(HERE.parent))
    asked = (*git, "rev-parse", "--short", "HEAD"), (*git, "diff", "--quiet", "HEAD", "--", "src")
    try:
        found, changed = (subprocess.run(a, capture_output=True, text=True) for a in asked)
    except FileNotFoundError:
        return ""
    return "" if found.returncode else found.stdout.strip() + "+" * (changed.returncode == 1)


def finish(
    name: str, rows: Sequence[Row], loads: Sequence[float], quick: bool, *pictures: Picture
) -> None:
    """Write and print a benchmark's table, and draw its pictures, where they belong."""
    write(place(f"{name}.csv", quick), rows, loads)
    for picture in pictures:
        shown = [row for row in rows if row.unit == picture.unit]
        draw(place(f"{picture.name}.svg", quick), picture.title, shown, picture.log)


def write(path: Path, rows: Sequence[Row], loads: Sequence[float]) -> None:
    """Write and print the table.

    Args:
        path: CSV.
        rows: Of the table.
        loads: Programs that wanted the processor before each round; written "lowest-highest".
    """
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    load = f"{min(loads):.1f}-{max(loads):.1f}"
    surroundings = (load, machine(), today, commit())
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(HEAD)
        for row in rows:
            some = [row.median, min(row.values), max(row.values)] if row.values else []
            numbers = [f"{value:.4g}" for value in some] or ["", "", ""]
            ratio = "" if row.ratio is None else f"{row.ratio:.3g}"
            measured = [row.case, row.what, *numbers, row.unit, len(row.values)]
            judged = [ratio, row.against, row.goal, " ".join(row.note.split())]
            writer.writerow([*measured, *judged, *surroundings])
            print(*measured[:3], row.unit, *judged, sep="\t")


def draw(path: Path, title: str, rows: Sequence[Row], log: bool = False) -> None:
    """Draw bars of the medians, grouped by case, with the range of the rounds; ours in blue.

    Raises:
        ValueError: Rows differ in their unit.
    """
    mpl.use("svg")
    from matplotlib import pyplot as plt

    shown = [row for row in rows if row.values]
    if len({row.unit for row in shown}) > 1:
        raise ValueError(f"{path.name}: one unit per picture")
    with mpl.rc_context({"svg.hashsalt": "histotile", "svg.fonttype": "none", "font.size": 8}):
        figure, axes = plt.subplots(figsize=(7, 0.6 + 0.2 * len(shown)), layout="constrained")
        colours = [BLUE if "histotile" in row.what else GREY for row in shown]
        medians = [row.median for row in shown]
        reach = [
            [row.median - min(row.values) for row in shown],
            [max(row.values) - row.median for row in shown],
        ]
        axes.barh(range(len(shown)), medians, xerr=reach, color=colours, ecolor=RED)
        axes.set_yticks(range(len(shown)), [f"{row.case}: {row.what}" for row in shown])
        axes.invert_yaxis()
        axes.set_xscale("log" if log else "linear")
        axes.set_xlabel(shown[0].unit if shown else "")
        axes.margins(y=0.5 / (1 + len(shown)))
        figure.suptitle(title, x=0.01, ha="left")
        axes.spines[["top", "right"]].set_visible(False)
        figure.savefig(path, metadata={"Date": None})
        plt.close(figure)
