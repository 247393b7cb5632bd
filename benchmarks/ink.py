"""How much tissue is taken for ink, and how many pen strokes are found.

Drawn overviews (drawings.py) in thirteen stains, with and without strokes of six inks, many of
them translucent; and real tiles, by the form of the rule for tiles without an overview. The
weights of `slides.pen` come from ink_fit.py, its limits were chosen on drawings 4000-4099;
drawings from 3000 on are reported. Real tiles: nothing was fitted to them tile by tile but one
limit, see `_PALE` in `slides.ink`, set after a look at four tiles of ebhi_seg. Writes
benchmarks/ink.csv.

    python benchmarks/ink.py ../shared/data/tiles [--drawings 260]
"""

import argparse
import csv
from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from multiprocessing import Pool
from pathlib import Path

import cv2
import drawings
import numpy as np
from PIL import Image

from histotile.config import Mask
from histotile.config.yaml_file import read_config
from histotile.slides.tissue import quality
from histotile.slides.tissue.tissue import INK, survey

FIRST, RIM_PX = 3000, 9
Row = dict[str, object]
Pair = tuple[float, float]


def drawing(seed: int, strokes: bool) -> drawings.Drawing:
    """A drawing of a stain of its turn, of any size and scale, half of them through JPEG."""
    rng = np.random.default_rng(seed)
    side, scale = int(rng.choice([200, 300, 450, 650])), float(rng.choice([8, 8, 12, 16]))
    inks = rng.choice(list(drawings.INKS), rng.integers(1, 4)) if strokes else ()
    stain = list(drawings.STAINS)[seed % len(drawings.STAINS)]
    drawn = drawings.draw(seed, stain, tuple(str(ink) for ink in inks), scale, side)
    if rng.uniform() < 0.5:
        level = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(70, 95))]
        packed = cv2.imencode(".jpg", drawn.rgb[..., ::-1], level)[1]
        drawn.rgb[:] = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR))[..., ::-1]
    return drawn


def interval(hits: float, number: float) -> str:
    """Wilson's interval of 95 %, in percent."""
    if number <= 0:
        return ""
    share, z2 = hits / number, 1.96**2
    middle = (share + z2 / 2 / number) / (1 + z2 / number)
    half = 1.96 / (1 + z2 / number) * (share * (1 - share) / number + z2 / 4 / number**2) ** 0.5
    return f"{100 * max(middle - half, 0):.2f}-{100 * min(middle + half, 1):.2f}"


def spread(taken: list[float], whole: list[float]) -> str:
    """Interval of 95 % of a share of area, in percent: slides are drawn again and again."""
    pick = np.random.default_rng(0).integers(0, len(whole), (2000, len(whole)))
    shares = np.array(taken)[pick].sum(axis=1) / np.maximum(np.array(whole)[pick].sum(axis=1), 1)
    low, high = np.percentile(100 * shares, [2.5, 97.5])
    return f"{low:.2f}-{high:.2f}"


def of_drawing(case: tuple[int, bool], settings: Mask) -> tuple[Pair, list[tuple[str, Pair]]]:
    """Px of tissue away from strokes taken for ink, of all; px of each stroke found, of all."""
    drawn = drawing(*case)
    ink = survey(drawn.rgb, drawn.um_per_px, settings).levels == INK
    under = np.zeros(ink.shape, bool)
    parts = []
    for name, stroke in drawn.strokes:
        parts.append((name, (float((ink & stroke).sum()), float(stroke.sum()))))
        under |= stroke
    side = 2 * RIM_PX + 1
    near = cv2.dilate(under.astype(np.uint8), np.ones((side, side))).astype(bool)
    free = drawn.tissue & ~near
    return (float((ink & free).sum()), float(free.sum())), parts


def of_drawings(count: int, settings: Mask) -> Iterator[Row]:
    """Tissue taken for ink by stain, without strokes and beside them; strokes found by ink."""
    lost = defaultdict[tuple[str, str], list[Pair]](list)
    found = defaultdict[str, list[Pair]](list)
    seeds = [(seed, k) for seed in range(FIRST, FIRST + count) for k in (False, True)]
    with Pool() as pool:
        measured = pool.imap(partial(of_drawing, settings=settings), seeds, 4)
        for (seed, strokes), (numbers, parts) in zip(seeds, measured, strict=True):
            where = "beside strokes" if strokes else "without strokes"
            stain = list(drawings.STAINS)[seed % len(drawings.STAINS)]
            for key in (stain, "all stains"):
                lost[where, key].append(numbers)
            for name, pair in parts:
                found[name].append(pair)
    for (where, stain), pairs in lost.items():
        yield area(f"tissue {where} taken for ink", stain, pairs, "<= 0.5")
    found["all inks"] = [pair for pairs in list(found.values()) for pair in pairs]
    for name, pairs in found.items():
        yield area("area of strokes found", name, pairs, ">= 95")
        hits = sum(part >= 0.5 * whole for part, whole in pairs)
        yield line("strokes found by half", name, hits, len(pairs), ">= 95")


def area(what: str, case: str, pairs: list[tuple[float, float]], goal: str) -> Row:
    """A row of a share of area."""
    taken, whole = ([pair[k] for pair in pairs] for k in (0, 1))
    share = round(100 * sum(taken) / sum(whole), 3)
    texts = {"percent": share, "interval": spread(taken, whole), "goal": goal}
    return {"what": what, "case": case, "number": len(pairs), **texts}


def line(what: str, case: str, hits: float, number: int, goal: str) -> Row:
    """A row of a share of things that are counted."""
    texts = {"interval": interval(hits, number), "goal": goal}
    return {"what": what, "case": case, "number": number, "percent": 100 * hits / number, **texts}


def of_tiles(folder: Path, limit: float) -> Iterator[Row]:
    """Real tiles marked as pen with `quality.exclude: [pen]`, by set; and the same under ink."""
    for table in sorted(folder.glob("*/files.csv")):
        with table.open(encoding="utf-8") as lines:
            rows = list(csv.DictReader(lines))
        tiles = [np.array(Image.open(table.parent / r["file"]).convert("RGB")) for r in rows]
        shares = [quality.measure([tile], ink=True)[0, 1] for tile in tiles]
        marked = [share > limit for share in shares]
        yield line("real tiles taken for ink", table.parent.name, sum(marked), len(rows), "<= 0.5")
        groups = {row["group"] for row in rows}
        hit = {row["group"] for row, bad in zip(rows, marked, strict=True) if bad}
        yield line("groups with such a tile", table.parent.name, len(hit), len(groups), "")
        for name, ink in drawings.INKS.items():
            inked = [half_inked(tile, ink) for tile in tiles[:: max(1, len(tiles) // 100)]]
            hits = sum(quality.measure([tile], ink=True)[0, 1] > limit for tile in inked)
            what = f"real tiles, half under {name} ink, taken for ink"
            yield line(what, table.parent.name, hits, len(inked), "")


def half_inked(tile: drawings.Rgb, ink: drawings.Colour) -> drawings.Rgb:
    """The tile with its left half under ink that hides 80 % of it."""
    out = tile.copy()
    half = out[:, : out.shape[1] // 2]
    half[:] = np.rint(0.2 * half + 0.8 * np.array(ink)).astype(np.uint8)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tiles", type=Path)
    parser.add_argument("--drawings", type=int, default=260)
    arguments = parser.parse_args()
    config = read_config(Path(__file__).parents[1] / "config" / "config.yaml")
    limit = config.tile.quality.max_pen_fraction
    rows = [*of_drawings(arguments.drawings, config.mask), *of_tiles(arguments.tiles, limit)]
    with (Path(__file__).parent / "ink.csv").open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    for row in rows:
        print(*row.values(), sep="  ")


if __name__ == "__main__":
    main()
