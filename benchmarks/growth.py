"""What a slide costs `predict` as the cohort grows from 1 to 100 slides.

Small mosaics of real H&E (2,048 x 1,536 px, ten different ones, see `peers/mosaic.py`), a small
network, so that whatever grows with the cohort would show; seconds of the processor. All slides by
one command, without what the first slide costs; and a command per slide, for the first ten and the
last ten. Writes benchmarks/growth.csv and growth.svg.

    python benchmarks/growth.py [--quick]
"""

import argparse
import shutil
import statistics
import tempfile
from pathlib import Path

from peers import mosaic, networks, ours, rounds, tables

SIZE, KINDS, COUNTS, ALONE = (2_048, 1_536), 10, (1, 10, 100), 10
NETWORK, GOAL = "mobilenetv3_small_100", "0.95 to 1.05"


def tile_tables(folder: Path, count: int) -> list[Path]:
    """Tile tables of as many slides; every tenth is of the same slide."""
    found: list[Path] = []
    for k in range(count):
        table = folder / f"slide{k:03}.parquet"
        if k < KINDS:
            slide = mosaic.mosaic(SIZE, seed=k + 1)
            command = [ours.PROGRAM, "tile", str(slide), "-o", str(table)]
            rounds.run(command, folder, sampled=False)
        else:
            shutil.copy(found[k % KINDS], table)
        found.append(table)
    return found


def one_command(tile_tables: list[Path], model: Path) -> rounds.Spent:
    """All slides by one command."""
    with tempfile.TemporaryDirectory() as name:
        out = Path(name) / ("out" if len(tile_tables) > 1 else "out.parquet")
        words = [ours.PROGRAM, "predict", str(model), *map(str, tile_tables), "-o", str(out)]
        return rounds.run([*words, "--threads", "1"], Path(name))


def in_one(spent: dict[int, list[float]]) -> list[tables.Row]:
    """Rows: what each slide after the first costs one command, in blocks of the cohort."""
    rows: list[tables.Row] = []
    for before, after in ((1, 10), (10, 100)):
        pairs = zip(spent[before], spent[after], strict=True)
        values = [(more - less) / (after - before) for less, more in pairs]
        case = f"one command, slides {before + 1} to {after}"
        ratio = statistics.median(values) / rows[0].median if rows else None
        goal = GOAL if rows else ""
        against = "times slides 2 to 10" if rows else ""
        rows.append(tables.Row(case, "histotile", values, "CPU s per slide", ratio, against, goal))
    return rows


def one_by_one(spent: dict[str, list[float]]) -> list[tables.Row]:
    """Rows: what a slide costs a command of its own, early and late in the cohort.

    Args:
        spent: Of each block of the cohort, per round, CPU seconds per slide.
    """
    rows: list[tables.Row] = []
    for block, values in spent.items():
        ratio = statistics.median(values) / rows[0].median if rows else None
        goal = GOAL if rows else ""
        case, against = f"a command each, {block}", "times the first slides" if rows else ""
        rows.append(tables.Row(case, "histotile", values, "CPU s per slide", ratio, against, goal))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round")
    quick = parser.parse_args().quick
    turns, most = rounds.Rounds(1 if quick else 5), max(COUNTS)
    model = networks.model_folder(NETWORK)
    together: dict[int, list[float]] = {count: [] for count in COUNTS}
    memory: dict[int, list[float]] = {count: [] for count in COUNTS}
    blocks = {f"slides {k + 1} to {k + ALONE}": k for k in (0, most - ALONE)}
    alone: dict[str, list[float]] = {block: [] for block in blocks}
    with tempfile.TemporaryDirectory() as name:
        slides = tile_tables(Path(name), most)
        for number in turns:
            for count in COUNTS:
                spent = one_command(slides[:count], model)
                together[count].append(spent.cpu_s)
                memory[count].append(spent.peak_mb)
                print(f"round {number}: {count} slides: {spent.cpu_s:.1f} CPU s", flush=True)
            for block, first in blocks.items():
                some = slides[first : first + ALONE]
                alone[block].append(
                    statistics.mean(one_command([slide], model).cpu_s for slide in some)
                )
                print(f"round {number}: {block}: {alone[block][-1]:.1f} CPU s each", flush=True)
    rows = in_one(together) + one_by_one(alone)
    for count, values in memory.items():
        ratio = statistics.median(values) / statistics.median(memory[1])
        case = f"peak memory, one command, {count} slides"
        rows.append(tables.Row(case, "histotile", values, "MB", ratio, "times one slide"))
    title = "predict: cost of a slide as the cohort grows"
    picture = tables.Picture("growth", "CPU s per slide", title)
    tables.finish("growth", rows, turns.loads, quick, picture)


if __name__ == "__main__":
    main()
