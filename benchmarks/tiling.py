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
import os
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from peers import environments, mosaic, rounds, tables  # type: ignore[import-not-found]

PEERS = Path(__file__).parent / "peers"
OFFLINE = {"HF_HUB_OFFLINE": "1", "WSINFER_FORCE_CPU": "1", "NO_ALBUMENTATIONS_UPDATE": "1"}
SIZES = {"16,384 px": mosaic.MIDDLE, "40,000 px": mosaic.LARGE}
GOAL, STORED = "<= 0.25 of wsinfer's", {"histolab PNG": ">= 20 x", "TIAToolbox JPEG": ">= 8 x"}
OURS = "histotile, all steps and pack"
PIXELS = {
    "histolab PNG": ("histolab", "histolab_tiles.py", ()),
    "TIAToolbox JPEG": ("tiatoolbox", "tiatoolbox_tiles.py", ("jpg",)),
    "LazySlide JPEG": ("lazyslide", "lazyslide_tiles.py", ("jpg",)),
}


def histotile_steps(slide: Path, tile_px: int) -> dict[str, list[str]]:
    """Command lines from a slide to its tile table and its pack."""
    ours = str(Path(sys.executable).parent / "histotile")
    known = ("--inspection", "inspect.json", "--mask", "mask.png")
    settings = {"tile_px": tile_px, "stride_px": tile_px, "labels.source": "slide"}
    changes = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    labels = ("--label", "tumour", "--classes", "healthy,tumour")
    kept = ("--set", "use=always", "--set", "quality=90")
    return {
        "inspect": [ours, "inspect", str(slide), "-o", "inspect.json"],
        "mask": [ours, "mask", str(slide), *known[:2], "-o", "mask.png"],
        "tile": [ours, "tile", str(slide), *known, *changes, *labels, "-o", "tiles.parquet"],
        "pack": [ours, "pack", "tiles.parquet", "-o", "tiles.pack", *kept],
    }


def histotile(slide: Path, tile_px: int, packed: bool) -> Any:
    """All our steps; the number of tiles is the output, the seconds of each step with it."""
    with tempfile.TemporaryDirectory() as name:
        steps = histotile_steps(slide, tile_px)
        if not packed:
            del steps["pack"]
        spent = {step: rounds.run(command, Path(name)) for step, command in steps.items()}
        count = pq.read_metadata(Path(name) / "tiles.parquet").num_rows
    facts = {"tiles": count, "steps": {step: round(s.cpu_s, 2) for step, s in spent.items()}}
    return rounds.Spent(
        sum(s.wall_s for s in spent.values()),
        sum(s.cpu_s for s in spent.values()),
        max(s.peak_mb for s in spent.values()),
        json.dumps(facts),
    )


def wsinfer(slide: Path, program: Path) -> Any:
    """`wsinfer patch` on a folder with the slide alone."""
    with tempfile.TemporaryDirectory() as name:
        slides = Path(name) / "slides"
        slides.mkdir()
        (slides / slide.name).symlink_to(slide)
        command = [program.parent / "wsinfer", "patch", "-i", slides, "-o", Path(name) / "out"]
        size = ["--patch-size-px", "256", "--patch-spacing-um-px", "0.5"]
        return rounds.run(
            [*command, *size], Path(name), {**OFFLINE, "HOME": str(environments.home_of_wsinfer())}
        )


def store(slide: Path, python: Path, script: str, words: tuple[str, ...]) -> Any:
    """A peer's tiles in a folder; what it prints last is their number."""
    with tempfile.TemporaryDirectory(dir=mosaic.BENCH) as name:
        spent = rounds.run([python, PEERS / script, slide, name, *words], Path(name), OFFLINE)
    count = int(spent.output.strip().splitlines()[-1])
    facts = json.dumps({"tiles": count})
    return rounds.Spent(spent.wall_s, spent.cpu_s, spent.peak_mb, facts)


def positions(case: str, size: tuple[int, int], count: int) -> list[Any]:
    """Rows of mask and tile table of one slide: seconds of the processor."""
    slide, programs, rows = mosaic.mosaic(size), {}, []
    programs["histotile inspect + mask + tile"] = partial(histotile, slide, 256, False)
    try:
        python = environments.python_of("wsinfer")
        programs["wsinfer patch"] = partial(wsinfer, slide, python)
    except environments.NotMade as error:
        rows.append(tables.Row(case, "wsinfer patch", [], "CPU s", note=str(error)))
    spent, failed = rounds.in_turns(programs, count)
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


def pixels(count: int) -> list[Any]:
    """Rows of tiles stored: ms of the processor per tile."""
    slide, rows = mosaic.mosaic(mosaic.MIDDLE), []
    programs: dict[str, Callable[[], Any]] = {
        OURS: partial(histotile, slide, 256, True),
        "histotile, tiles of 224 px": partial(histotile, slide, 224, True),
    }
    for what, (peer, script, words) in PIXELS.items():
        try:
            python = environments.python_of(peer)
            programs[what] = partial(store, slide, python, script, words)
        except environments.NotMade as error:
            rows.append(tables.Row("stored", what, [], "CPU ms/tile", note=str(error)))
    spent, failed = rounds.in_turns(programs, count)
    rows += [
        tables.Row("stored", what, [], "CPU ms/tile", note=why) for what, why in failed.items()
    ]
    per_tile = {
        what: [1000 * s.cpu_s / json.loads(s.output)["tiles"] for s in found]
        for what, found in spent.items()
    }
    ours = per_tile.get(OURS, [])
    for what, values in per_tile.items():
        facts = json.loads(spent[what][-1].output)
        note = f"{facts['tiles']} tiles, {_median(spent[what], 'peak_mb'):.0f} MB"
        note += f"; by step: {facts['steps']}" if "steps" in facts else ""
        row = tables.Row("stored", what, values, "CPU ms/tile", note=note)
        if ours and what in PIXELS:
            ratio = row.median / tables.Row("", "", ours, "").median
            against = "times histotile's"
            goal = STORED.get(what, "")
            row = tables.Row("stored", what, values, "CPU ms/tile", ratio, against, goal, note)
        rows.append(row)
    return rows


def _median(found: list[Any], name: str) -> float:
    values = [getattr(entry, name) for entry in found]
    return float(tables.Row("", "", values, "").median) if values else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round, the smaller slide")
    parser.add_argument("--profile", action="store_true", help="only say where our time goes")
    quick = parser.parse_args().quick
    if parser.parse_args().profile:
        rounds.profile(histotile_steps(mosaic.mosaic(mosaic.MIDDLE), 256))
        return
    load = os.getloadavg()[0]
    count = 1 if quick else 3
    rows = []
    for case, size in SIZES.items():
        if not quick or size == mosaic.MIDDLE:
            rows += positions(f"mask and table, {case}", size, count)
    stored = pixels(count)
    tables.write(tables.place("tiling.csv", quick), rows + stored, load)
    title = f"Mask and tile table of one slide; mosaic of {mosaic.made_of()}"
    tables.draw(tables.place("tiling.svg", quick), title, rows)
    tables.draw(tables.place("storing.svg", quick), "Tiles of 256 px stored, all steps", stored)


if __name__ == "__main__":
    main()
