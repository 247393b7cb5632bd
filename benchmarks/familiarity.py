"""Are slides that a model was not taught on called foreign, and others not?

Writes benchmarks/familiarity.csv. Frozen features of the shipped backbone, from which strategy
`linear_probe` learns; 32 tiles of each slide. Limits and clouds come from training patients alone;
slides judged are of other patients. Seeds and cohorts here were not looked at while the method
was made.

    python benchmarks/familiarity.py [--quick] [--real FOLDER]
"""

import argparse
import csv
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import beta
from sklearn.metrics import roc_auc_score

from histotile.backbones.build import build_network
from histotile.backbones.stages import WithFeatures
from histotile.config import Backbone
from histotile.config.yaml_file import read_synthetic
from histotile.data.images import read_image
from histotile.inference.engines.torch import TorchEngine
from histotile.slides.slide import Slide
from histotile.slides.tissue import quality
from histotile.synthetic.slides.tile_cohort import draw_tile_cohort
from histotile.trust.fitting import Sample, fit_taught
from histotile.trust.judging import Familiarity, Watch
from histotile.trust.looks import COLUMNS, tile_looks
from histotile.trust.taught import Taught

ROOT = Path(__file__).parents[1]
PX, TILES = 64, 32
SEEDS = {103: "liver", 104: "breast"}  # and the organ taught on
PATIENTS = (10, 40, 110)  # taught on
UNSEEN, PLANTED = 60, 12
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Slides:
    """Tiles of slides, one of each patient: features, looks and slide of every tile."""

    features: NDArray[np.float32]
    looks: NDArray[np.float64]
    slide: NDArray[np.int64]

    def some(self, slides: NDArray[np.int64]) -> "Slides":
        """Those of these slides."""
        kept = np.isin(self.slide, slides)
        return Slides(self.features[kept], self.looks[kept], self.slide[kept])

    def taught(self) -> Taught:
        """What a model carries that was taught on them."""
        learnt = np.zeros(len(self.slide), bool)
        found = fit_taught(Sample(self.features, self.looks, self.slide, self.slide, learnt), [])
        assert found is not None
        return found

    def judged(self, taught: Taught) -> list[Familiarity]:
        """What is said of each slide."""
        found = []
        for slide in np.unique(self.slide):
            rows = self.slide == slide
            ids = np.arange(rows.sum(), dtype=np.int32)
            watch = Watch([taught], ids, self.looks[rows])
            tiles = watch.see(ids, [self.features[rows]])
            found.append(watch.slide(None, watch.flags(tiles)))
        return found


@cache
def engine() -> TorchEngine:
    backbone = Backbone(name="auto", weights="shipped:histology", domain="auto", options={})
    network, made = build_network(backbone, 2, PX)
    return TorchEngine(WithFeatures(network), made.mean, made.std, device="cpu", threads=1)


def seen(rgb: Pixels, slide: NDArray[np.int64]) -> Slides:
    """What prediction sees of these tiles."""
    batches = [rgb[k : k + 64] for k in range(0, len(rgb), 64)]
    features = np.concatenate([engine().outputs(batch)[1] for batch in batches])
    sharpness, _, _, *colour = quality.measure(list(rgb)).T
    columns = dict(zip(COLUMNS, [*colour, sharpness], strict=True))
    return Slides(features, tile_looks(columns), slide)


def drawn(seed: int, patients: int, **changes: Any) -> tuple[Pixels, NDArray[np.int64]]:
    """Tiles of a synthetic cohort with one slide of each patient, and their slides."""
    asked = {"slides": patients, "patients": patients, "seed": seed, "side_px": 3072} | changes
    settings = read_synthetic(ROOT / "config/synthetic.yaml").synthesize.model_copy(update=asked)
    tiles = draw_tile_cohort(settings, TILES, PX, 0.15)
    return tiles.rgb, tiles.slides


def to_grey(tile: Pixels) -> Pixels:
    return np.repeat(cv2.cvtColor(tile, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)


def to_brown(tile: Pixels) -> Pixels:
    """Haematoxylin stays, eosin turns to DAB."""
    pair = [[[0.65, 0.70, 0.29], [0.07, 0.99, 0.11]], [[0.65, 0.70, 0.29], [0.27, 0.57, 0.78]]]
    old, new = (np.array(v) / np.linalg.norm(v, axis=1, keepdims=True) for v in pair)
    amounts = -np.log((tile.astype(float) + 1) / 256) @ np.linalg.pinv(old)
    return np.asarray(np.clip(256 * np.exp(-amounts @ new) - 1, 0, 255), np.uint8)


def to_fluorescence(tile: Pixels) -> Pixels:
    """Nuclei blue on black."""
    dark = np.clip(170 - tile[..., :1].astype(int), 0, 255).astype(np.uint8)
    return np.concatenate([dark // 8, dark // 8, dark], axis=2)


def to_glass(tile: Pixels) -> Pixels:
    rng = np.random.default_rng(int(tile.sum()))
    return np.clip(242 + rng.normal(0, 2, tile.shape), 0, 255).astype(np.uint8)


def blurred(sigma: float) -> Callable[[Pixels], Pixels]:
    return lambda tile: np.asarray(cv2.GaussianBlur(tile, (0, 0), sigma), np.uint8)


ALTERED: dict[str, Callable[[Pixels], Pixels]] = {
    "grey": to_grey,
    "other stain (haematoxylin and DAB)": to_brown,
    "fluorescence": to_fluorescence,
    "glass": to_glass,
    "blur, sigma 0.75 um": blurred(1.5),
    "blur, sigma 1.5 um": blurred(3.0),
}
RENDERED: dict[str, dict[str, Any]] = {
    "mpp 0.25 passed off as 0.5": {"mpp": 0.25, "side_px": 6144},
    "mpp 0.7 passed off as 0.5": {"mpp": 0.7},
    "mpp 1.0 passed off as 0.5": {"mpp": 1.0},
    "in-situ hybridisation": {"shift": 1.0},
    **{f"organ: {organ}": {"organ": organ} for organ in ("breast", "colon", "liver", "brain")},
}


def planted(seed: int, organ: str, like: tuple[Pixels, NDArray[np.int64]]) -> dict[str, Slides]:
    """Slides of every kind that was not taught, from the laboratories of those that were."""
    rgb, slide = like
    few = np.isin(slide, np.unique(slide)[:PLANTED])
    found = {
        name: seen(np.stack([change(tile) for tile in rgb[few]]), slide[few])
        for name, change in ALTERED.items()
    }
    for name, changes in RENDERED.items():
        if name != f"organ: {organ}":
            found[name] = seen(*drawn(seed, PLANTED, **({"organ": organ} | changes)))
    return found


def real(shared: Path) -> dict[str, Slides]:
    """Real slides cut at their scale, and groups of real tiles, at least five each."""
    found = {}
    for name, file, level in (
        ("real: CMU-1", "CMU-1-Small-Region.svs", 0.499),
        ("real: TCGA", "TCGA-CR-7395-01A-01-TS1.svs", 0.5),
        ("real: fluorescence NDPI", "ndpi_test3-DAPI-2-(387).ndpi", 0.5),
    ):
        with Slide.open(shared / "slides" / file, level) as slide:
            middle = slide.read(slide.width // 4, slide.height // 4, 0, 15 * PX, 15 * PX)
        tiles = middle.reshape(15, PX, 15, PX, 3).swapaxes(1, 2).reshape(-1, PX, PX, 3)
        kept = tiles[tiles.std(axis=(1, 2, 3)) > 8][: 2 * TILES]
        found[name] = seen(kept, np.zeros(len(kept), np.int64))
    for folder in ("idc_ps50", "ebhi_seg", "colorectal5_flagy"):
        found[f"real tiles: {folder}"] = tile_set(shared / "tiles" / folder)
    return found


def tile_set(folder: Path) -> Slides:
    """Groups of a folder of tiles with `files.csv`."""
    with (folder / "files.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    groups: dict[str, list[str]] = {}
    for row in rows:
        groups.setdefault(row["group"], []).append(row["file"])
    chosen = [files[:TILES] for files in groups.values() if len(files) >= 5]
    rgb = [read_image(folder / name, PX) for files in chosen for name in files]
    return seen(np.stack(rgb), np.repeat(np.arange(len(chosen)), [len(f) for f in chosen]))


def compare(
    case: str, patients: int, training: Slides, unseen: Slides, kinds: Mapping[str, Slides]
) -> list[dict[str, Any]]:
    """One row for unseen slides of the same kind, one for each other kind, one for all."""
    taught = training.taught()
    told = unseen.judged(taught)
    usual = np.array([one.distance for one in told], float)
    rows = [row(case, patients, "same kind", usual, None)]
    others = {
        name: np.array([o.distance for o in s.judged(taught)], float) for name, s in kinds.items()
    }
    rows += [row(case, patients, name, found, usual) for name, found in others.items()]
    return [
        *rows,
        row(case, patients, "all other kinds", np.concatenate([*others.values()]), usual),
    ]


def row(
    case: str,
    patients: int,
    kind: str,
    found: NDArray[np.float64],
    usual: NDArray[np.float64] | None,
) -> dict[str, Any]:
    foreign = int((found > 1).sum())
    low, high = clopper_pearson(foreign, len(found))
    plain = {"taught_on": case, "patients": patients, "judged": kind, "slides": len(found)}
    plain |= {"foreign": foreign, "share": foreign / len(found), "low": low, "high": high}
    plain |= {"median_distance": float(np.median(found)), "auroc": None}
    if usual is None:
        return plain
    rng = np.random.default_rng(0)
    draws = [
        auroc(rng.choice(usual, len(usual)), rng.choice(found, len(found))) for _ in range(500)
    ]
    ends = np.quantile(draws, [0.025, 0.975]).tolist()
    return plain | {"auroc": auroc(usual, found), "auroc_low": ends[0], "auroc_high": ends[1]}


def auroc(usual: NDArray[np.float64], found: NDArray[np.float64]) -> float:
    labels = np.repeat([0, 1], [len(usual), len(found)])
    return float(roc_auc_score(labels, np.concatenate([usual, found])))


def clopper_pearson(hits: int, trials: int) -> tuple[float, float]:
    """Exact 95 % interval of a share."""
    low = float(beta.ppf(0.025, hits, trials - hits + 1)) if hits else 0.0
    return low, float(beta.ppf(0.975, hits + 1, trials - hits)) if hits < trials else 1.0


def synthetic(seed: int, organ: str, beside: Mapping[str, Slides]) -> list[dict[str, Any]]:
    rgb, slide = drawn(seed, max(PATIENTS) + UNSEEN, organ=organ)
    cohort, names = seen(rgb, slide), np.unique(slide)
    train, new = names[: max(PATIENTS)], names[max(PATIENTS) :]
    kept = np.isin(slide, new)
    kinds = planted(seed, organ, (rgb[kept], slide[kept])) | dict(beside)
    case = f"synthetic {organ}, seed {seed}"
    return [
        line
        for patients in PATIENTS
        for line in compare(case, patients, cohort.some(train[:patients]), cohort.some(new), kinds)
    ]


def reverse(name: str, groups: Slides, others: Mapping[str, Slides]) -> list[dict[str, Any]]:
    """A model taught on real tiles; two thirds of the groups teach."""
    order = np.random.default_rng(0).permutation(np.unique(groups.slide))
    cut = 2 * len(order) // 3
    parts = groups.some(order[:cut]), groups.some(order[cut:])
    return compare(name, cut, *parts, others)


def measure(seeds: Mapping[int, str], shared: Path) -> list[dict[str, Any]]:
    """All rows; those of real tiles where they lie."""
    beside = real(shared) if shared.is_dir() else {}
    rows = []
    for name in ("idc_ps50", "ebhi_seg"):
        if groups := beside.get(f"real tiles: {name}"):
            others = {k: v for k, v in beside.items() if v is not groups}
            others |= {"synthetic slides": seen(*drawn(100, PLANTED))}
            rows += reverse(f"real tiles: {name}", groups, others)
    for seed, organ in seeds.items():
        rows += synthetic(seed, organ, beside)
    return rows


def write(rows: list[dict[str, Any]], out: Path) -> None:
    with out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*rows[-1]], lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            {k: f"{v:.4f}" if isinstance(v, float) else v for k, v in line.items()} for line in rows
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one seed")
    parser.add_argument("--real", type=Path, default=ROOT.parent / "shared" / "data")
    given = parser.parse_args()
    torch.set_num_threads(1)
    start = time.monotonic()
    seeds = dict(list(SEEDS.items())[: 1 if given.quick else None])
    rows = measure(seeds, given.real)
    for line in rows:
        print({k: round(v, 3) if isinstance(v, float) else v for k, v in line.items()})
    write(rows, Path(__file__).with_suffix(".quick.csv" if given.quick else ".csv"))
    print(f"{time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
