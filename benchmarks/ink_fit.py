"""Fit the weights by which `slides.pen` judges colours and pieces of an overview.

Two logistic regressions, each part weighing as much as its area: of the colours of drawn
overviews (drawings.py; without the even biopsies, which no one can tell from strokes) and of
overviews laid out of real tiles, on which nothing is ink; then of their pieces, given the odds of
the colour. Prints both rows of weights; benchmarks/ink.py measures on other drawings. The weights
in `slides.pen` come from a first form of this script, which grouped the real tiles otherwise.

    python benchmarks/ink_fit.py ../shared/data/tiles [--seeds 0-249 5000-5149]
"""

import argparse
import csv
from collections import defaultdict
from collections.abc import Iterator
from multiprocessing import Pool
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from ink import RIM_PX, drawing
from numpy.typing import NDArray
from PIL import Image
from sklearn.linear_model import LogisticRegression

from histotile.slides.tissue import pen
from histotile.slides.tissue.strokes import Colours, describe
from histotile.slides.tissue.tissue import _balanced

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
TISSUE_WEIGHS = 1.5  # tissue taken for ink is worse than ink left
SIDES = {"idc_ps50": 50, "osteosarcoma_60": 128, "ucsb_breast_tma": 112}  # px of a tile; else 28


class Seen(NamedTuple):
    """The colours of an overview, and what share of it is ink and tissue in each piece."""

    colours: Colours
    ink: Floats
    tissue: Floats


def look(rgb: NDArray[np.uint8], ink: Mask, tissue: Mask) -> Seen:
    """The pieces of an overview with their truth; what is neither ink nor tissue is left out."""
    small = pen._reduced(_balanced(rgb, np.ones(rgb.shape[:2], bool)))
    colours = describe(small)
    size = small.shape[1], small.shape[0]
    shares = []
    for truth in (ink, tissue):
        fitted = cv2.resize(truth.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
        counts = [np.bincount(p.labels.ravel(), fitted.ravel())[p.large] for p in colours.pieces]
        shares.append(np.concatenate([np.empty(0), *counts]) / fitted.size)
    bare = [p._replace(labels=p.labels[:0], depth=p.depth[:0]) for p in colours.pieces]
    return Seen(colours._replace(place=colours.place[:0], pieces=bare), *shares)


def of_drawing(case: tuple[int, bool]) -> Seen | None:
    """A drawing with or without strokes."""
    drawn = drawing(*case)
    if drawn.kind == ("biopsies", "even"):
        return None
    ink = np.zeros(drawn.tissue.shape, bool)
    for _, stroke in drawn.strokes:
        ink |= stroke
    side = 2 * RIM_PX + 1
    near = cv2.dilate(ink.astype(np.uint8), np.ones((side, side))).astype(bool)
    return look(drawn.rgb, ink, drawn.tissue & ~near)


def of_tiles(folder: Path) -> Iterator[Seen]:
    """Overviews laid out of the tiles of every second group, on glass."""
    groups = defaultdict[tuple[Path, str], list[Path]](list)
    for table in sorted(folder.glob("*/files.csv")):
        with table.open(encoding="utf-8") as lines:
            for row in csv.DictReader(lines):
                groups[table.parent, row["group"]].append(table.parent / row["file"])
    for (home, _), files in list(groups.items())[::2]:
        side, number = SIDES.get(home.name, 28), min(len(files), 144)
        columns = max(3, int(number**0.5))
        rows = -(-number // columns)
        sheet = Image.new("RGB", ((columns + 2) * side, (rows + 2) * side), (243, 243, 243))
        for j, file in enumerate(files[:number]):
            tile = Image.open(file).convert("RGB").resize((side, side), Image.Resampling.BOX)
            sheet.paste(tile, ((j % columns + 1) * side, (j // columns + 1) * side))
        rgb = np.array(sheet)
        nothing = np.zeros(rgb.shape[:2], bool)
        yield look(rgb, nothing, ~nothing)


def fit(rows: Floats, ink: Floats, tissue: Floats) -> Floats:
    """Weights and, last, the constant of a logistic regression."""
    mean, spread = rows.mean(axis=0), rows.std(axis=0) + 1e-9
    model = LogisticRegression(max_iter=8000)
    weights = 1000 * (ink + TISSUE_WEIGHS * tissue + 1e-6)
    model.fit((rows - mean) / spread, ink > tissue, sample_weight=weights)
    slopes = model.coef_[0] / spread
    return np.append(slopes, model.intercept_[0] - mean @ slopes)


def of_colours(seen: Seen) -> tuple[Floats, Floats]:
    """Ink and tissue of each colour."""
    colours = seen.colours
    own = np.repeat(np.arange(len(colours.means)), [len(p.large) for p in colours.pieces])
    ink, tissue = (np.bincount(own, v, len(colours.means)) for v in (seen.ink, seen.tissue))
    return ink.astype(float), tissue.astype(float)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tiles", type=Path)
    parser.add_argument("--seeds", nargs="+", default=["0-249", "5000-5149"])
    arguments = parser.parse_args()
    ranges = [range(int(a), int(b) + 1) for a, b in (s.split("-") for s in arguments.seeds)]
    cases = [(seed, strokes) for seeds in ranges for seed in seeds for strokes in (False, True)]
    with Pool() as pool:
        drawn = [seen for seen in pool.imap(of_drawing, cases, 4) if seen]
    overviews = [seen for seen in [*drawn, *of_tiles(arguments.tiles)] if len(seen.ink)]
    rows = np.concatenate([pen.expanded(seen.colours.features) for seen in overviews])
    colour = fit(rows, *(np.concatenate(v) for v in zip(*map(of_colours, overviews), strict=True)))
    odds = [pen.expanded(seen.colours.features) @ colour[:-1] + colour[-1] for seen in overviews]
    pairs = zip(overviews, odds, strict=True)
    rows = np.concatenate([pen.expanded_pieces(seen.colours, z) for seen, z in pairs])
    truth = (np.concatenate([getattr(seen, k) for seen in overviews]) for k in ("ink", "tissue"))
    piece = fit(rows, *truth)
    for name, weights in (("_WEIGHTS", colour), ("_PIECE_WEIGHTS", piece)):
        print(name, "=", tuple(float(f"{w:.3g}") for w in weights))


if __name__ == "__main__":
    main()
