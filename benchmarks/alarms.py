"""Do the alarms ring for planted leaks and keep still otherwise? Writes benchmarks/alarms.csv.

Twenty cohorts of each kind, through the real backbone, probes and alarms; `--seeds 2` for a look.
"""

import argparse
import csv
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import beta

from histotile.backbones.build import build_network
from histotile.backbones.stages import StageFeatures
from histotile.config import Backbone, Config
from histotile.config.yaml_file import read_config, read_synthetic
from histotile.data.perceptual_hash import Pictures, thumbnails
from histotile.inference.engines.torch import TorchEngine
from histotile.strategy.evidence import Evidence
from histotile.strategy.feature_similarity import judge
from histotile.strategy.leakage.checks import AlarmFiles, find_alarms
from histotile.strategy.leakage.copied_tiles import PicturedSlide
from histotile.strategy.leakage.near_duplicates import find_duplicates
from histotile.strategy.robustness import baselines
from histotile.synthetic.slides.tile_cohort import TileCohort, draw_tile_cohort

SHAPE = {"slides": 24, "patients": 24, "sites": 2, "artefact_rate": 0.0}
TILES, TILE_PX = 24, 96
PLANTS: dict[str, tuple[dict[str, Any], set[str]]] = {  # changes of the cohort, alarms wanted
    "clean": ({}, set()),
    "confounded site": ({"site_label_confounding": 1.0}, {"site_label"}),
    "duplicated slides": ({"duplicate_slides": 0.05}, {"near_duplicates"}),
    "near-duplicate tiles": ({"near_duplicate_rate": 0.1}, {"near_duplicates"}),
    "colour shortcut": ({"stain_label_shift": 0.5}, {"colour"}),
    "confounded format": ({"format_label_confounding": 1.0}, {"format_label"}),
}


def evidence_of(
    tiles: TileCohort, backbone: Backbone, likeness: float
) -> tuple[Evidence, AlarmFiles]:
    """What `decide` would read of a cohort with these tiles."""
    network, architecture = build_network(backbone, 2, tiles.rgb.shape[1])
    embed = StageFeatures(network)
    engine = TorchEngine(embed, architecture.mean, architecture.std, threads=1)
    batches = [engine(tiles.rgb[k : k + 64]) for k in range(0, len(tiles.rgb), 64)]
    features = [f.astype(np.float16) for f in embed.of_stages(np.concatenate(batches))]
    pixels = tiles.rgb.reshape(len(tiles.rgb), -1, 3).astype(np.float32)
    counts = np.zeros((len(tiles.patient_ids), 2), np.int64)
    np.add.at(counts, (tiles.patients, tiles.labels), 1)
    evidence = Evidence(
        classes=("healthy", "tumour"),
        stages=embed.stages,
        features=tuple(features),
        random=(),
        labels=tiles.labels,
        patients=tiles.patients,
        sites=tiles.sites,
        slides=tiles.slides,
        colour=np.concatenate([pixels.mean(axis=1), pixels.std(axis=1)], axis=1),
        domain="natural",
        counts=counts,
        facts={"slide_ids": tiles.slide_ids, "patient_ids": tiles.patient_ids},
    )
    small = thumbnails(tiles.rgb)
    slides = [_pictured(tiles, small, k) for k in range(len(tiles.slide_ids))]
    formats = dict(zip(tiles.slide_ids, tiles.flavours, strict=True))
    found = find_duplicates(slides, likeness, 0)
    return evidence, AlarmFiles(found, formats, dict.fromkeys(tiles.slide_ids, 0.5))


def _pictured(tiles: TileCohort, small: Pictures, slide: int) -> PicturedSlide:
    own = np.flatnonzero(tiles.slides == slide)
    patient = tiles.patient_ids[tiles.patients[own[0]]]
    return PicturedSlide(tiles.slide_ids[slide], patient, len(own), lambda: small[own])


def ring(config: Config, changes: dict[str, Any], seed: int) -> dict[str, Any]:
    """The alarms that one cohort raises, with the numbers behind them."""
    standard = read_synthetic(Path("config/synthetic.yaml")).synthesize
    settings = standard.model_copy(update={**SHAPE, **changes, "seed": seed})
    backbone = Backbone(name="auto", weights="shipped:natural", domain="auto", options={})
    tiles = draw_tile_cohort(settings, TILES, TILE_PX, 0.5)
    likeness = config.decide.alarms.duplicate_likeness
    evidence, files = evidence_of(tiles, backbone, likeness)
    rules = config.decide.model_copy(update={"repeats": 1, "bootstraps": 50})
    judgement = judge(evidence, rules, quick=True, size="small")
    beside = baselines.measure(evidence, rules, judgement)
    similarity = judgement.similarity
    alarms = find_alarms(evidence, files, beside, similarity, rules.alarms, seed)
    scores = {baseline.name: baseline.score.value for baseline in beside}
    return {
        "alarms": {f"{alarm.name}:{alarm.level}" for alarm in alarms},
        "colour": scores.get("colour"),
        "site": scores.get("site"),
        "last_stage": similarity.stages[-1].score.value,
    }


def is_right(alarms: set[str], wanted: set[str]) -> bool:
    """Whether the planted alarm rang, or for a clean cohort none."""
    names = {alarm.partition(":")[0] for alarm in alarms}
    return wanted <= names if wanted else not names


def clopper_pearson(hits: int, trials: int) -> tuple[float, float]:
    """Exact 95 % interval of a share."""
    low = float(beta.ppf(0.025, hits, trials - hits + 1)) if hits else 0.0
    high = float(beta.ppf(0.975, hits + 1, trials - hits)) if hits < trials else 1.0
    return low, high


def measure(seeds: int) -> list[dict[str, Any]]:
    """A row per seed and plant."""
    torch.set_num_threads(1)
    config = read_config(Path("config/config.yaml"))
    rows = []
    for plant, (changes, wanted) in PLANTS.items():
        for seed in range(seeds):
            start = time.perf_counter()
            found = ring(config, changes, seed)
            right = is_right(found["alarms"], wanted)
            row = {"plant": plant, "seed": seed, "wanted": " ".join(sorted(wanted)), **found}
            row |= {"alarms": " ".join(sorted(found["alarms"])), "right": int(right)}
            rows.append(row | {"seconds": time.perf_counter() - start})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    seeds = parser.parse_args().seeds
    rows = measure(seeds)
    with Path("benchmarks/alarms.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        table.writeheader()
        for row in rows:
            shown = {k: f"{v:.3f}" if isinstance(v, float) else v for k, v in row.items()}
            table.writerow(shown)
    hits: dict[str, int] = defaultdict(int)
    for row in rows:
        hits[row["plant"]] += row["right"]
    for plant, count in hits.items():
        low, high = clopper_pearson(count, seeds)
        print(f"{plant:22} right in {count} of {seeds} (95 % interval {low:.3f}-{high:.3f})")


if __name__ == "__main__":
    main()
