"""What a slide costs `predict` as the cohort grows from 1 to 100 slides.

Small mosaics of real H&E (2,048 x 1,536 px, ten different ones, see `peers/mosaic.py`), a small
network, so that whatever grows with the cohort would show; seconds of the processor. All slides by
one command, without what the first slide costs, and a command per slide. Writes
benchmarks/growth.csv and growth.svg.

    python benchmarks/growth.py [--quick]
"""

import argparse
import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from peers import mosaic, networks, rounds, tables  # type: ignore[import-not-found]

SIZE, KINDS, COUNTS = (2_048, 1_536), 10, (1, 10, 100)
OURS = str(Path(sys.executable).parent / "histotile")
NETWORK, GOAL = "mobilenetv3_small_100", "0.95 to 1.05"


def tile_tables(folder: Path, count: int) -> list[Path]:
    """Tile tables of as many slides; every tenth is of the same slide."""
    found: list[Path] = []
    for k in range(count):
        table = folder / f"slide{k:03}.parquet"
        if k < KINDS:
            slide = mosaic.mosaic(SIZE, seed=k + 1)
            rounds.run([OURS, "tile", slide, "-o", table], folder, sampled=False)
        else:
            shutil.copy(found[k % KINDS], table)
        found.append(table)
    return found


def one_command(tile_tables: list[Path], model: Path) -> Any:
    """All slides by one command."""
    with tempfile.TemporaryDirectory() as name:
        out = Path(name) / ("out" if len(tile_tables) > 1 else "out.parquet")
        words = [OURS, "predict", model, *tile_tables, "-o", out, "--threads", "1"]
        return rounds.run(words, Path(name))


def in_one(spent: dict[int, list[float]]) -> list[Any]:
    """Rows: what each slide after the first costs one command, in blocks of the cohort."""
    rows: list[Any] = []
    for before, after in ((1, 10), (10, 100)):
        pairs = zip(spent[before], spent[after], strict=True)
        values = [(more - less) / (after - before) for less, more in pairs]
        case = f"one command, slides {before + 1} to {after}"
        ratio = statistics.median(values) / rows[0].median if rows else None
        goal = GOAL if rows else ""
        against = "times slides 2 to 10" if rows else ""
        rows.append(tables.Row(case, "histotile", values, "CPU s per slide", ratio, against, goal))
    return rows


def one_by_one(spent: list[list[float]]) -> list[Any]:
    """Rows: what a slide costs a command of its own, in cohorts of ten and of all slides.

    Args:
        spent: Per round, CPU seconds of each slide in order.
    """
    rows: list[Any] = []
    for count in COUNTS[1:]:
        values = [statistics.mean(times[:count]) for times in spent]
        ratio = statistics.median(values) / rows[0].median if rows else None
        case, against = f"a command each, {count} slides", "times ten slides" if rows else ""
        goal = GOAL if rows else ""
        rows.append(tables.Row(case, "histotile", values, "CPU s per slide", ratio, against, goal))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round")
    quick = parser.parse_args().quick
    load = os.getloadavg()[0]
    model = networks.model_folder(NETWORK)
    together: dict[int, list[float]] = {count: [] for count in COUNTS}
    memory: dict[int, list[float]] = {count: [] for count in COUNTS}
    alone: list[list[float]] = []
    with tempfile.TemporaryDirectory() as name:
        slides = tile_tables(Path(name), max(COUNTS))
        for k in range(1 if quick else 3):
            for count in COUNTS:
                spent = one_command(slides[:count], model)
                together[count].append(spent.cpu_s)
                memory[count].append(spent.peak_mb)
                print(f"round {k + 1}: {count} slides: {spent.cpu_s:.1f} CPU s", flush=True)
            alone.append([one_command([slide], model).cpu_s for slide in slides])
            print(f"round {k + 1}: one by one: {sum(alone[-1]):.1f} CPU s", flush=True)
    rows = in_one(together) + one_by_one(alone)
    tables.draw(
        tables.place("growth.svg", quick), "predict: cost of a slide as the cohort grows", rows
    )
    for count, values in memory.items():
        ratio = statistics.median(values) / statistics.median(memory[1])
        case = f"peak memory, one command, {count} slides"
        rows.append(tables.Row(case, "histotile", values, "MB", ratio, "times one slide"))
    tables.write(tables.place("growth.csv", quick), rows, load)


if __name__ == "__main__":
    main()
