"""Are augmented copies found, and true groups left in peace? Writes benchmarks/copies.csv.

    python benchmarks/copies.py             five processor minutes
    python benchmarks/copies.py --only ebhi_seg

Needs the labelled tiles of `../shared/data` (or HISTOTILE_SHARED). Three kinds of row:

true groups  a set by its own patients, slides or blocks, all its tiles compared: copies found there
             are false alarms (colorectal5_flagy has no true groups, and real copies);
copies       120 tiles of a set, each as 5 copies, in 60 groups at random: what is found at once;
             what is still copied when one tile of each source named is kept, and what of that a
             second look finds; sources that suggested groups still part;
hidden       60 tiles copied once, each into another group of the whole set.

The threshold was set on colorectal5_flagy and idc_ps50; every other set is only judged. `features`
is the share of tiles whose nearest tile by whitened features is a copy of the same source.
"""

import argparse
import csv
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from histotile.backbones.build import build_network
from histotile.config import Backbone
from histotile.config.yaml_file import read_config
from histotile.data.images import decode, fit
from histotile.data.perceptual_hash import thumbnails
from histotile.inference.engines.torch import TorchEngine
from histotile.io.atomic import replacing
from histotile.strategy.leakage import near_duplicates
from histotile.strategy.leakage.copied_tiles import PicturedSlide
from histotile.strategy.leakage.near_duplicates import Duplicates, find_duplicates
from histotile.strategy.leakage.suggested_groups import TileRow, are_scattered, suggest_groups

HERE = Path(__file__).parent
DATA = Path(os.environ.get("HISTOTILE_SHARED", HERE.parent.parent / "shared")) / "data"
FITTED = ("colorectal5_flagy", "idc_ps50")  # by which the threshold was set
PLANTED = (*FITTED, "ebhi_seg")
CUT = ("osteosarcoma_60", "ucsb_breast_tma")  # into tiles of 224 px
TRUE = ("idc_ps50", "ebhi_seg", "kather2016_24tif", *CUT)
KINDS = ("right angles", "any angle", "slight angle", "crop")
SOURCES, COPIES, GROUPS, HIDDEN = 120, 5, 60, 60
PX = 96  # as the networks see tiles
MOBILE = {
    "pad_type": "same",
    "pretrained_cfg_overlay": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]},
}
BACKBONES = {
    "imagenet_035": ("mobilenetv2_035", "mobilenetv2_035_in1k_headless_from_tm_float32.pth"),
    "natural": ("auto", "shipped:natural"),
}
Rgb = NDArray[np.uint8]
Names = NDArray[np.str_]


def load(name: str) -> tuple[list[Rgb], Names]:
    """The tiles of a set, and the group of each."""
    folder = DATA / "tiles" / name
    tiles, groups = [], []
    for row in csv.DictReader((folder / "files.csv").open(encoding="utf-8")):
        path = folder / row["file"]
        rgb = decode(path, path.read_bytes())
        height, width = (side // 224 for side in rgb.shape[:2]) if name in CUT else (1, 1)
        for y in range(height):
            for x in range(width):
                one = rgb[224 * y : 224 * (y + 1), 224 * x : 224 * (x + 1)]
                tiles.append(one if name in CUT else rgb)
                groups.append(row["group"])
    return tiles, np.array(groups)


def copy(tile: Rgb, kind: str, rng: np.random.Generator) -> Rgb:
    """A copy as augmentation makes it: turned or cropped, mirrored, recoloured, saved as JPEG."""
    side = min(tile.shape[:2])
    if kind in ("right angles", "crop"):
        tile = np.rot90(tile, int(rng.integers(4)))
    if kind in ("any angle", "slight angle"):  # the largest square inside, as Augmentor has it
        angle = rng.uniform(-180, 180) if kind == "any angle" else rng.uniform(-25, 25)
        bent = np.deg2rad(angle % 90)
        centre = ((tile.shape[1] - 1) / 2, (tile.shape[0] - 1) / 2)
        matrix = cv2.getRotationMatrix2D(centre, angle, float(np.cos(bent) + np.sin(bent)))
        tile = cv2.warpAffine(tile, matrix, (tile.shape[1], tile.shape[0]))  # type: ignore[assignment]
    if kind == "crop":
        part = int(rng.uniform(0.7, 1) * side)
        y, x = (int(rng.integers(extent - part + 1)) for extent in tile.shape[:2])
        tile = tile[y : y + part, x : x + part]
    tile = tile[:, ::-1] if rng.random() < 0.5 else tile
    hsv = cv2.cvtColor(np.ascontiguousarray(tile), cv2.COLOR_RGB2HSV).astype(np.float32)
    hsv *= np.array([1, rng.uniform(0.75, 1.25), rng.uniform(0.85, 1.15)], np.float32)
    hsv[..., 0] = (hsv[..., 0] + rng.uniform(-9, 9)) % 180
    hsv = np.clip(hsv, 0, 255).astype(np.uint8)
    bgr = cv2.cvtColor(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), cv2.COLOR_RGB2BGR)
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(75, 96))]
    return decode(Path("copy"), cv2.imencode(".jpg", bgr, quality)[1].tobytes())


def shrink(tiles: list[Rgb]) -> Rgb:
    """(N, 96, 96, 3) tiles as the pipeline would hand them to a network of 96 px."""
    return np.stack([fit(np.ascontiguousarray(tile), PX) for tile in tiles])


def search(small: Rgb, groups: Names) -> Duplicates:
    """What `decide` would find among these thumbnails."""
    least = read_config(HERE.parent / "config/config.yaml").decide.alarms.duplicate_likeness
    slides = []
    for group in np.unique(groups):
        own = small[groups == group]
        slides.append(PicturedSlide(str(group), str(group), len(own), lambda own=own: own))  # type: ignore[misc]
    return find_duplicates(slides, least, 0)


def in_order(found: Duplicates, groups: Names) -> NDArray[np.int64]:
    """(N,) the source of each tile by what was found, in the order of the tiles."""
    sources = np.empty(len(groups), np.int64)
    for group, numbers in found.sources.items():
        sources[groups == group] = numbers
    return sources


def apart(sources: NDArray[np.int64], groups: Names) -> set[int]:
    """The sources whose tiles stand in several groups."""
    return {int(s) for s in np.unique(sources) if len(set(groups[sources == s])) > 1}


def regrouped(found: Duplicates, groups: Names) -> Names:
    """The suggested group of each tile."""
    rows = np.empty(len(groups), np.int64)
    for group in np.unique(groups):
        rows[groups == group] = np.arange((groups == group).sum())
    tiles = [TileRow(g, int(k), "", None, None, None) for g, k in zip(groups, rows, strict=True)]
    names = suggest_groups(found, {g: g for g in np.unique(groups)}, tiles)["group"]
    return np.array(names) if found.pairs else groups


def score(small: Rgb, sources: NDArray[np.int64], groups: Names) -> dict[str, Any]:
    """How much of the planted copies is found at once, and after the first clean-up."""
    planted = apart(sources, groups)
    first = search(small, groups)
    named = in_order(first, groups)
    found = {int(s) for s in sources[named >= 0]} & planted
    copied = np.flatnonzero(named >= 0)
    kept = named < 0
    kept[copied[np.unique(named[copied], return_index=True)[1]]] = True  # one of each source named
    left = apart(sources[kept], groups[kept]) & planted
    second = in_order(search(small[kept], groups[kept]), groups[kept])
    seen = {int(s) for s in sources[kept][second >= 0]} & left
    mixed = [len(set(sources[named == n])) > 1 for n in np.unique(named[named >= 0])]
    return {
        "sources": len(planted),
        "found_first": len(found) / len(planted),
        "left": len(left),
        "found_left": len(seen),
        "found_after": len((planted - left) | seen) / len(planted),
        "parted_by_suggestion": len(apart(sources, regrouped(first, groups)) & planted),
        "wrongly_joined": sum(mixed),
        "scattered": int(are_scattered(first)),
        "share": first.share,
    }


def nearest_is_copy(tiles: Rgb, sources: NDArray[np.int64], name: str) -> float:
    """Share of tiles whose nearest tile by a backbone's whitened features is of their source."""
    network, weights = BACKBONES[name]
    path = weights if weights.startswith("shipped:") else str(DATA / "weights" / weights)
    options = {} if network == "auto" else MOBILE
    body, made = build_network(
        Backbone(name=network, weights=path, domain="auto", options=options), 0, PX
    )
    engine = TorchEngine(body, made.mean, made.std, threads=1)
    features = np.concatenate([engine(tiles[k : k + 64]) for k in range(0, len(tiles), 64)])
    points = (features - features.mean(axis=0)) / np.maximum(features.std(axis=0), 1e-6)
    _, lengths, axes = np.linalg.svd(points, full_matrices=False)
    turned = points @ (axes[:60] / lengths[:60, None]).T
    turned /= np.linalg.norm(turned, axis=1, keepdims=True)
    cosine = turned @ turned.T
    np.fill_diagonal(cosine, -1)
    return float((sources[cosine.argmax(axis=1)] == sources).mean())


def rows_of(name: str, seeds: int) -> Iterator[dict[str, Any]]:
    """A row for each trial with a set."""
    tiles, groups = load(name)
    small = thumbnails(shrink(tiles))
    if name in TRUE:
        found = search(small, groups)
        yield {"kind": "true groups", "tiles": len(small), "groups": len(set(groups))} | {
            "sources": 0,
            "found_first": found.origins,
            "share": found.share,
        }
    rng = np.random.default_rng(0)
    dealt = rng.integers(0, GROUPS, len(tiles)).astype(np.str_)
    if name == "ebhi_seg":
        found = search(small, dealt)
        yield {"kind": "by tile", "tiles": len(small), "groups": GROUPS} | {
            "sources": 0,
            "found_first": found.origins,
            "share": found.share,
        }
    for seed in range(seeds if name in PLANTED else 0):
        for kind in KINDS:
            yield planted(tiles, kind, seed)
        yield hidden(tiles, small, groups if name in TRUE else dealt, seed)


def planted(tiles: list[Rgb], kind: str, seed: int) -> dict[str, Any]:
    """Copies alone, in groups at random."""
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    chosen = rng.permutation(len(tiles))[:SOURCES]
    sources = np.repeat(np.arange(SOURCES), COPIES)
    copies = shrink([copy(tiles[chosen[s]], kind, rng) for s in sources])
    groups = rng.integers(0, GROUPS, len(sources)).astype(np.str_)
    row = {"kind": f"copies, {kind}", "seed": seed, "tiles": len(copies), "groups": GROUPS}
    row |= score(thumbnails(copies), sources, groups)
    if not seed:
        row |= {f"features_{b}": nearest_is_copy(copies, sources, b) for b in BACKBONES}
    return row


def hidden(tiles: list[Rgb], small: Rgb, groups: Names, seed: int) -> dict[str, Any]:
    """A few single copies in other groups of the whole set, all its tiles compared."""
    rng = np.random.default_rng([seed, len(KINDS)])
    chosen = rng.permutation(len(tiles))[:HIDDEN]
    copies = [copy(tiles[s], KINDS[k % len(KINDS)], rng) for k, s in enumerate(chosen)]
    others = [rng.choice(np.unique(groups[groups != groups[s]])) for s in chosen]
    sources = np.concatenate([np.arange(len(tiles)), chosen])
    both = np.concatenate([small, thumbnails(shrink(copies))])
    owners = np.concatenate([groups, np.array(others)])
    row = {"kind": "hidden", "seed": seed, "tiles": len(both), "groups": len(set(owners))}
    return row | score(both, sources, owners)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--output", type=Path, default=HERE / "copies.csv")
    given = parser.parse_args()
    if not DATA.is_dir():
        print(f"skipped: no labelled tiles at {DATA}; set HISTOTILE_SHARED")
        return
    near_duplicates.SAMPLE = near_duplicates.MOST_TILES  # all tiles of every set
    rows: list[dict[str, Any]] = []
    for name in dict.fromkeys((*PLANTED, *TRUE)):
        if given.only in (None, name):
            start = time.process_time()
            for row in rows_of(name, given.seeds):
                used, start = time.process_time() - start, time.process_time()
                fitted = {"set": name, "fitted": int(name in FITTED)}
                rows.append(fitted | row | {"cpu_s": used})
                print(rows[-1], flush=True)
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with replacing(given.output) as path, path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, columns, lineterminator="\n")
        table.writeheader()
        for row in rows:
            table.writerow({k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()})


if __name__ == "__main__":
    main()
