"""How often `decide` says that nothing learnable was measured. Writes benchmarks/nothing.csv.

Cohorts of features with a known lead of one class over the other, none included: with no lead it
should say so, with a lead that patients suffice to show it should not. Half of the patients are of
each class, as where labels are of slides, or each shows both; `--seeds 2` for a look.
"""

import argparse
import csv
from itertools import product
from pathlib import Path

import numpy as np

from histotile.config.yaml_file import read_config
from histotile.io.features import Stage
from histotile.strategy.evidence import Evidence
from histotile.strategy.feature_similarity import judge

OUT = Path(__file__).with_suffix(".csv")
SETTINGS = Path(__file__).parents[1] / "config" / "config.yaml"
TILES, WIDTH, STAGES, LIKENESS = 20, 48, 5, 0.2  # tiles of each patient; features of each stage
PATIENTS = (8, 16, 32, 64, 128)
LEADS = (0.0, 0.5, 1.0, 2.0)  # between the classes, in standard deviations of tiles


def cohort(patients: int, mixed: bool, lead: float, seed: int) -> Evidence:
    """Stages share half of their variance; colour and random weights know nothing."""
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(patients), TILES)
    label = np.arange(len(who)) % 2 if mixed else who % 2

    def noise(width: int) -> np.ndarray:
        own = rng.normal(size=(patients, 2, width))[who, label] * LIKENESS**0.5
        found: np.ndarray = own + rng.normal(size=(len(who), width)) * (1 - LIKENESS) ** 0.5
        return found

    def stages(gap: float) -> tuple[np.ndarray, ...]:
        shared = noise(WIDTH)
        found = [(shared + noise(WIDTH)) / 2**0.5 for _ in range(STAGES)]
        for values in found:
            values[:, 0] += gap * label
        return tuple(values.astype(np.float16) for values in found)

    counts = np.zeros((patients, 2), np.int64)
    np.add.at(counts, (who, label), 1)
    return Evidence(
        classes=("healthy", "tumour"),
        stages=tuple(Stage(k, f"layer{k}", WIDTH, 1000 * k) for k in range(1, STAGES + 1)),
        features=stages(lead),
        random=stages(0.0),
        labels=label,
        patients=who,
        sites=None,
        slides=who,
        colour=noise(6).astype(np.float32),
        domain="natural",
        counts=counts,
        facts={},
    )


def main() -> None:
    """One row per number of patients and lead."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=50)
    seeds = parser.parse_args().seeds
    decide = read_config(SETTINGS).decide
    rows = []
    for mixed, patients, lead in product((False, True), PATIENTS, LEADS):
        found = [
            judge(cohort(patients, mixed, lead, seed), decide, quick=True, size="small").similarity
            for seed in range(seeds)
        ]
        best = [max(s.score.value for s in each.stages) for each in found]
        foreign = [each.basis == "foreign" for each in found]
        holds = [all((s.score.low or 0) <= 0.5 for s in each.stages) for each in found]
        rows.append(
            {
                "labels": "of tiles" if mixed else "of patients",
                "patients": patients,
                "lead": lead,
                "cohorts": seeds,
                "best_stage": round(float(np.mean(best)), 3),
                "nothing": round(float(np.mean([e.basis == "nothing" for e in found])), 3),
                "foreign": round(float(np.mean(foreign)), 3),
                "each_interval_holds_chance": round(float(np.mean(holds)), 3),
            }
        )
        print(rows[-1], flush=True)
        with OUT.open("w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, list(rows[0]))
            table.writeheader()
            table.writerows(rows)


if __name__ == "__main__":
    main()
