"""What reading a tile of 256 px costs, by histotile, OpenSlide and four libraries.

On a mosaic of real H&E of 40,000 x 30,000 px (see `peers/mosaic.py`), one thread, data in memory:
tiles of tissue on the slide's own grid of compressed tiles, off it in the order of storage and at
random, and resampled; and two real slides as they are, one of them in JPEG 2000, where decoding is
nearly all. The limit is the decoding of the compressed tiles alone. Programs take turns. Writes
benchmarks/reading.csv (ms of the processor per tile, the ratio to the limit or to the plain
OpenSlide loop, and how far the pixels are from OpenSlide's) and reading.svg.

    python benchmarks/reading.py [--quick]
"""

import argparse
import itertools
import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from peers import environments, mosaic, rounds, tables

from histotile.slides.slide import Slide

WORKER = Path(__file__).parent / "peers" / "read_tiles.py"
TILE_PX, NATIVE, RESAMPLED = 256, 1000, 250  # tiles per case
OURS = (
    *("raw_decoding", "openslide_loop"),
    *("histotile_openslide", "histotile_direct", "histotile_unannounced"),
)
LIBRARIES = "cucim", "pyvips", "fastslide", "tifffile_zarr"
SHRUNK = {"2 x": 512, "1.5 x": 384, "1.37 x": 351}
GOALS = {"aligned": "<= 1.3 x raw decoding", "random": ">= 1.5 x OpenSlide"}
IN_ORDER = ">= 3 x OpenSlide"


def write_real_windows(path: Path, slide: Path) -> None:
    """Windows of a real slide: a grid over the whole of it, in order."""
    with Slide.open(slide) as opened:
        sides = (range(0, side - TILE_PX, TILE_PX) for side in (opened.width, opened.height))
        columns, rows = sides
        corners = [(x, y) for y in rows for x in columns]
    case = f"{slide.name[:5]}, JPEG{' 2000' if _is_jpeg_2000(slide) else ''}, in order"
    cases: dict[str, Any] = {case: np.array(corners), f"{case}_side": np.array(TILE_PX)}
    np.savez(path, **cases)


def _is_jpeg_2000(slide: Path) -> bool:
    with tifffile.TiffFile(slide) as tiff:
        page: Any = tiff.pages[0]
        return page.compression in (33003, 33005)


def write_windows(path: Path, slide: Path, share: float) -> None:
    """Windows of all cases: neighbouring rows from the slide's middle, whole width."""
    rng = np.random.default_rng(0)
    cases: dict[str, Any] = {}
    with Slide.open(slide) as opened:
        for case, offset in (("aligned", (0, 0)), ("in order", (100, 57))):
            corners = mosaic.tissue(opened, TILE_PX, offset)
            cases[case], cases[f"{case}_side"] = _middle(corners, int(NATIVE * share)), TILE_PX
        cases["random"] = rng.permutation(corners)[: int(NATIVE * share)]
        cases["random_side"] = TILE_PX
        for case, side in SHRUNK.items():
            corners = mosaic.tissue(opened, side, (0, 0))
            cases[case], cases[f"{case}_side"] = _middle(corners, int(RESAMPLED * share)), side
    np.savez(path, **cases)


def _middle(corners: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    start = max(0, (len(corners) - count) // 2)
    return corners[start : start + count]


def measure(
    slides: dict[Path, Path], turns: rounds.Rounds
) -> tuple[dict[str, Any], dict[tuple[str, str], str]]:
    """By case and reader what the worker found in each round; and by both, why it did not read.

    Args:
        slides: Slides, each with the file of its windows.
        turns: Rounds.
    """
    found: dict[str, Any] = defaultdict(lambda: defaultdict(list))
    missing: dict[tuple[str, str], str] = {}
    programs: list[tuple[Path, tuple[str, ...]]] = [(Path(sys.executable), OURS)]
    cases = {slide: _cases(windows) for slide, windows in slides.items()}
    try:
        python = environments.python_of("readers")
        programs += [(python, (name,)) for name in LIBRARIES]
    except environments.NotMade as error:
        some = itertools.product(itertools.chain(*cases.values()), LIBRARIES)
        missing = dict.fromkeys(some, str(error))
    for number in turns:
        for slide, (python, names) in itertools.product(slides, programs):
            command = [str(python), str(WORKER), str(slide), str(slides[slide]), ",".join(names)]
            alone = {"OMP_NUM_THREADS": "1", "VIPS_CONCURRENCY": "1"}
            try:
                spent = rounds.run(command, mosaic.ROOT, alone, sampled=False)
            except rounds.Failed as error:
                missing |= dict.fromkeys(itertools.product(cases[slide], names), str(error))
                continue
            print(f"round {number}: {spent.wall_s:.0f} s: {', '.join(names)}", flush=True)
            for name, by_case in json.loads(spent.output.splitlines()[-1]).items():
                for case, facts in by_case.items():
                    if "error" in facts:
                        missing[case, name] = facts["error"]
                    else:
                        found[case][name].append(facts)
    return found, missing


def _cases(windows: Path) -> list[str]:
    with np.load(windows) as file:
        return [name for name in file.files if not name.endswith("_side")]


def table(found: dict[str, Any], missing: dict[tuple[str, str], str]) -> list[tables.Row]:
    """Rows by case; ratios to raw decoding where aligned, else to the plain OpenSlide loop."""
    rows = []
    for case in dict.fromkeys([*found, *(case for case, _ in missing)]):
        base = "raw_decoding" if case == "aligned" else "openslide_loop"
        reference = [entry["ms"] for entry in found[case][base]]
        for name in (*OURS, *LIBRARIES):
            facts, note = found[case][name], missing.get((case, name), "")
            if not facts and not note:
                continue
            values = [entry["ms"] for entry in facts]
            ratio, against, goal = None, "", ""
            if values and reference and case == "aligned":
                ratio, against = np.median(values) / np.median(reference), "times raw decoding"
            elif values and reference:
                ratio = np.median(reference) / np.median(values)
                against = "times as fast as the OpenSlide loop"
            if name == "histotile_direct" and "2000" not in case:
                goal = GOALS.get(case, IN_ORDER)
            if values and not note:
                largest, bias = facts[-1]["largest"], facts[-1]["bias"]
                note = f"pixels off OpenSlide's by at most {largest:.0f}, by {bias:+.3f} on average"
            what = name.replace("_", " ")
            rows.append(tables.Row(case, what, values, "ms/tile", ratio, against, goal, note))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="2 rounds of a fifth of the tiles")
    quick = parser.parse_args().quick
    turns = rounds.Rounds(2 if quick else 5)
    slide = mosaic.mosaic(mosaic.LARGE)
    slides = {slide: mosaic.BENCH / "windows.npz"}
    write_windows(slides[slide], slide, 0.2 if quick else 1.0)
    for path in mosaic.real_slides():
        slides[path] = mosaic.BENCH / f"windows_{path.stem}.npz"
        write_real_windows(slides[path], path)
    rows = table(*measure(slides, turns))
    title = f"One tile of 256 px, one thread; mosaic of {mosaic.made_of()}"
    picture = tables.Picture("reading", "ms/tile", title)
    tables.finish("reading", rows, turns.loads, quick, picture)


if __name__ == "__main__":
    main()
