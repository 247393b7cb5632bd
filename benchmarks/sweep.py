"""Regret of the table and of its strategies over synthetic cohorts: patients x shift.

Appends to benchmarks/sweep.csv, skips what stands there, and draws docs/sweep.svg of all rows.
A setting takes about a minute on one core. The rows there are were measured with heads of one stage
and the rule of that time.
"""

import argparse
import csv
import time
from collections import defaultdict
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from known_truth import draw, evidence_of, frozen_score, settings, shipped, some, trained_score

from histotile.strategy.decide import decide
from histotile.strategy.record import STRATEGIES

PER_CLASS, SHIFTS = (4, 8, 16, 32, 64), (0.0, 0.25, 0.5, 0.75, 1.0)
HELD_OUT = 12  # patients of each class who judge; those of a seed judge all its settings
STEPS = 120  # of BATCH tiles, as many as a laptop does in a quarter of a minute
COLUMNS = [
    *("backbone", "patients_per_class", "shift", "seed", *STRATEGIES, "choice", "stages", "regret"),
    *("size", "effective", "icc", "similarity", "basis", "last", "best", "random", "seconds"),
]
CSV = Path(__file__).with_suffix(".csv")
PICTURE = Path(__file__).parents[1] / "docs" / "sweep.svg"
Row = dict[str, str | int | float]


def measure(backbone: str, per_class: int, shift: float, seed: int) -> Row:
    """One row: each strategy's score on held-out patients, and what the table says without them.

    Patients are the first ones of the largest cohort of a seed: larger cohorts hold the smaller.
    """
    start = time.process_time()
    body = shipped(backbone)
    cohort = draw(2 * (HELD_OUT + max(PER_CLASS)), shift, seed)
    train, test = some(cohort, slice(HELD_OUT, HELD_OUT + per_class)), some(cohort, slice(HELD_OUT))
    quick = settings().decide.model_copy(update={"bootstraps": 60})
    decision = decide(evidence_of(train, body), quick, settings().train, {}, None)
    similarity, last = decision.similarity, decision.last_stage
    early = similarity.early_stages
    scores = {
        "linear_probe": frozen_score(body, train, test, [last]),
        "early_probe": frozen_score(body, train, test, early),
        "finetune": trained_score(body, train, test, "finetune", STEPS, seed),
        "retrain": trained_score(body, train, test, "retrain", STEPS, seed),
    }
    twins = [stage.random_score.value for stage in similarity.stages if stage.random_score]
    found: Row = {
        "backbone": backbone,
        "patients_per_class": per_class,
        "shift": shift,
        "seed": seed,
        **{name: round(score, 4) for name, score in scores.items()},
        "choice": decision.strategy,
        "stages": " ".join(map(str, decision.stages)),
        "regret": round(max(scores.values()) - scores[decision.strategy], 4),
        "size": decision.size.verdict,
        "effective": round(min(c.effective for c in decision.size.classes), 1),
        "icc": round(decision.size.icc, 3),
        "similarity": similarity.verdict,
        "basis": similarity.basis,
        "last": round(similarity.stages[-1].score.value, 4),
        "best": round(max(stage.score.value for stage in similarity.stages), 4),
        "random": round(max(twins, default=float("nan")), 4),
        "seconds": round(time.process_time() - start, 1),
    }
    return found


def sweep(backbones: list[str], seeds: list[int]) -> None:
    """Measure what is missing, the corners of the square first."""
    done = {tuple(row[c] for c in COLUMNS[:4]) for row in _rows()}
    middle = (len(PER_CLASS) - 1) / 2
    order = sorted(
        product(range(len(PER_CLASS)), range(len(SHIFTS))),
        key=lambda place: -abs(place[0] - middle) - abs(place[1] - middle),
    )
    if not CSV.exists():
        CSV.write_text(",".join(COLUMNS) + "\n", encoding="utf-8")
    for seed, backbone, (i, j) in product(seeds, backbones, order):
        key = (backbone, str(PER_CLASS[i]), str(SHIFTS[j]), str(seed))
        if key in done:
            continue
        row = measure(backbone, PER_CLASS[i], SHIFTS[j], seed)
        print(row, flush=True)
        with CSV.open("a", encoding="utf-8", newline="") as file:
            csv.DictWriter(file, COLUMNS, lineterminator="\n").writerow(row)


def picture(backbone: str) -> None:
    """docs/sweep.svg: mean regret of each strategy applied everywhere, and of the table."""
    from matplotlib.figure import Figure

    panels = [*STRATEGIES, "table"]
    figure = Figure(figsize=(15, 3.6), layout="constrained")
    axes = figure.subplots(1, len(panels), sharey=True)
    regrets, chosen = _surfaces(backbone)
    image: Any = None
    for axis, panel in zip(axes, panels, strict=True):
        image = axis.imshow(regrets[panel], origin="lower", cmap="cividis_r", vmin=0, vmax=0.2)
        axis.set_title(f"{panel}\nmean regret {np.nanmean(regrets[panel]):.3f}")
        axis.set_xticks(range(len(PER_CLASS)), [str(n) for n in PER_CLASS])
        axis.set_xlabel("patients per class")
        axis.set_yticks(range(len(SHIFTS)), [str(s) for s in SHIFTS])
        for (j, i), value in np.ndenumerate(regrets[panel]):
            if np.isfinite(value):
                name = str(chosen[j, i]).replace("_", "\n") + "\n" if panel == "table" else ""
                ink = "white" if value > 0.1 else "black"
                text = f"{name}{value:.3f}"
                axis.text(i, j, text, ha="center", va="center", fontsize=6, color=ink)
    axes[0].set_ylabel("shift (0 H&E, 1 in-situ hybridisation)")
    figure.colorbar(image, ax=axes, label="regret (AUROC)")
    figure.suptitle(f"Regret on held-out synthetic patients, backbone shipped:{backbone}")
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE, metadata={"Date": None})


def _surfaces(backbone: str) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Regret (shift, patients) by panel, and the choice made most often."""
    values: dict[tuple[str, int, int], list[float]] = defaultdict(list)
    choices: dict[tuple[int, int], list[str]] = defaultdict(list)
    for row in _rows():
        if row["backbone"] != backbone:
            continue
        i = PER_CLASS.index(int(row["patients_per_class"]))
        j = SHIFTS.index(float(row["shift"]))
        best = max(float(row[name]) for name in STRATEGIES)
        choices[j, i].append(row["choice"])
        values["table", j, i].append(float(row["regret"]))
        for name in STRATEGIES:
            values[name, j, i].append(best - float(row[name]))
    shape = (len(SHIFTS), len(PER_CLASS))
    regrets = {name: np.full(shape, np.nan) for name in (*STRATEGIES, "table")}
    chosen = np.full(shape, "", dtype=object)
    for (panel, j, i), found in values.items():
        regrets[panel][j, i] = np.mean(found)
    for place, made in choices.items():
        chosen[place] = max(sorted(set(made)), key=made.count)
    return regrets, chosen


def _rows() -> list[dict[str, str]]:
    if not CSV.exists():
        return []
    with CSV.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbones", nargs="+", default=["histology"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--picture-only", action="store_true")
    asked = parser.parse_args()
    if not asked.picture_only:
        sweep(asked.backbones, asked.seeds)
    picture("histology")
