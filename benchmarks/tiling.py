"""What tiling a slide costs, by histotile and by its peers: positions alone, and stored pixels.

On mosaics of real H&E (see `peers/mosaic.py`), whole programs with what they load, in turns, two
cores. Positions: histotile's `inspect`, `mask` and `tile` (which also looks at every tile's
sharpness, ink and colour) against `wsinfer patch` (which does not). Pixels: the same and `pack`,
against tiles saved by histolab (as PNG, which is all it can), TIAToolbox and LazySlide (as JPEG);
256 px, 0.5 um/px, each with its own tissue mask; per tile stored. Tiles of 256 px lie on the
slide's own grid, and `pack` copies them; those of 224 px do not, and it compresses them. Writes
benchmarks/tiling.csv, tiling.svg and storing.svg.

    python benchmarks/tiling.py [--quick | --profile]
"""

import argparse
import json
import statistics
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq
from peers import environments, mosaic, ours, rounds, tables, wsinfer

PEERS = Path(__file__).parent / "peers"
SIZES = {"16,384 px": mosaic.MIDDLE, "40,000 px": mosaic.LARGE}
GOAL, STORED = "<= 0.25 of wsinfer's", {"histolab PNG": ">= 20 x", "TIAToolbox JPEG": ">= 8 x"}
OURS = "histotile, all steps and pack"
PIXELS = {
    "histolab PNG": ("histolab", "histolab_tiles.py"),
    "TIAToolbox JPEG": ("tiatoolbox", "tiatoolbox_tiles.py"),
    "LazySlide JPEG": ("lazyslide", "lazyslide_tiles.py"),
}


def steps(slide: Path, tile_px: int, packed: bool) -> ours.Steps:
    """Command lines from a slide to its tile table, and to its pack."""
    settings = {"tile_px": tile_px, "stride_px": tile_px, "labels.source": "slide"}
    changes = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    tile = ours.steps(slide, *changes, "--label", "tumour", "--classes", "healthy,tumour")
    kept = ("--set", "use=always", "--set", "quality=90")
    pack = [ours.PROGRAM, "pack", "tiles.parquet", "-o", "tiles.pack", *kept]
    return {**tile, "pack": pack} if packed else tile


def histotile(slide: Path, tile_px: int, packed: bool) -> rounds.Spent:
    """All our steps; the number of tiles is the output, the seconds of each step with it."""
    with tempfile.TemporaryDirectory() as name:
        spent, by_step = ours.run(steps(slide, tile_px, packed), Path(name))
        count = pq.read_metadata(Path(name) / "tiles.parquet").num_rows
    seconds = {step: round(s.cpu_s, 2) for step, s in by_step.items()}
    return replace(spent, output=json.dumps({"tiles": count, "steps": seconds}))


def theirs(slide: Path, python: Path) -> rounds.Spent:
    """`wsinfer patch`."""
    size = ("--patch-size-px", "256", "--patch-spacing-um-px", "0.5")
    with tempfile.TemporaryDirectory() as name:
        return wsinfer.run(python, slide, Path(name) / "out", "patch", *size)


def store(slide: Path, python: Path, script: str) -> rounds.Spent:
    """A peer's tiles in a folder; what it prints last is their number."""
    with tempfile.TemporaryDirectory(dir=mosaic.BENCH) as name:
        offline = {"HF_HUB_OFFLINE": "1"}
        spent = rounds.run([python, PEERS / script, slide, name], Path(name), offline)
    count = int(spent.output.strip().splitlines()[-1])
    return replace(spent, output=json.dumps({"tiles": count}))


def positions(case: str, size: tuple[int, int], turns: rounds.Rounds) -> list[tables.Row]:
    """Rows of mask and tile table of one slide: seconds of the processor."""
    slide, rows = mosaic.mosaic(size), []
    programs = {"histotile inspect + mask + tile": partial(histotile, slide, 256, False)}
    try:
        python = environments.python_of("wsinfer")
        programs["wsinfer patch"] = partial(theirs, slide, python)
    except environments.NotMade as error:
        rows.append(tables.Row(case, "wsinfer patch", [], "CPU s", note=str(error)))
    spent, failed = rounds.in_turns(programs, turns)
    rows += [tables.Row(case, what, [], "CPU s", note=why) for what, why in failed.items()]
    peer = _median(spent.get("wsinfer patch", []), "cpu_s")
    for what, found in spent.items():
        values = [s.cpu_s for s in found]
        note = f"{_median(found, 'wall_s'):.1f} s on the clock, {_median(found, 'peak_mb'):.0f} MB"
        ratio, goal = None, ""
        if "histotile" in what:
            facts = json.loads(found[-1].output)
            note += f"; {facts['tiles']} tiles; by step: {facts['steps']}"
            ratio, goal = (_median(found, "cpu_s") / peer if peer else None), GOAL
        rows.append(tables.Row(case, what, values, "CPU s", ratio, "of wsinfer's", goal, note))
    return rows


def pixels(turns: rounds.Rounds) -> list[tables.Row]:
    """Rows of tiles stored: ms of the processor per tile."""
    slide, rows = mosaic.mosaic(mosaic.MIDDLE), []
    programs: dict[str, Callable[[], rounds.Spent]] = {
        OURS: partial(histotile, slide, 256, True),
        "histotile, tiles of 224 px": partial(histotile, slide, 224, True),
    }
    for what, (peer, script) in PIXELS.items():
        try:
            python = environments.python_of(peer)
            programs[what] = partial(store, slide, python, script)
        except environments.NotMade as error:
            rows.append(tables.Row("stored", what, [], "CPU ms/tile", note=str(error)))
    spent, failed = rounds.in_turns(programs, turns)
    rows += [
        tables.Row("stored", what, [], "CPU ms/tile", note=why) for what, why in failed.items()
    ]
    per_tile = {
        what: [1000 * s.cpu_s / json.loads(s.output)["tiles"] for s in found]
        for what, found in spent.items()
    }
    for what, values in per_tile.items():
        facts = json.loads(spent[what][-1].output)
        note = f"{facts['tiles']} tiles, {_median(spent[what], 'peak_mb'):.0f} MB"
        note += f"; by step: {facts['steps']}" if "steps" in facts else ""
        ratio, against = None, ""
        if OURS in per_tile and what in PIXELS:
            ratio = statistics.median(values) / statistics.median(per_tile[OURS])
            against = "times histotile's"
        goal = STORED.get(what, "")
        rows.append(tables.Row("stored", what, values, "CPU ms/tile", ratio, against, goal, note))
    return rows


def _median(found: list[rounds.Spent], name: str) -> float:
    return statistics.median(getattr(entry, name) for entry in found) if found else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round, the smaller slide")
    parser.add_argument("--profile", action="store_true", help="only say where our time goes")
    quick = parser.parse_args().quick
    if parser.parse_args().profile:
        ours.profile(steps(mosaic.mosaic(mosaic.MIDDLE), 256, True))
        return
    turns = rounds.Rounds(1 if quick else 3)
    rows = []
    for case, size in SIZES.items():
        if not quick or size == mosaic.MIDDLE:
            rows += positions(f"mask and table, {case}", size, turns)
    rows += pixels(turns)
    title = f"Mask and tile table of one slide; mosaic of {mosaic.made_of()}"
    pictures = (
        tables.Picture("tiling", "CPU s", title),
        tables.Picture("storing", "CPU ms/tile", "Tiles of 256 px stored, all steps"),
    )
    tables.finish("tiling", rows, turns.loads, quick, *pictures)


if __name__ == "__main__":
    main()
