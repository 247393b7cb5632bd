"""Is the product's probe worth its place beside a few lines of scikit-learn?

    python benchmarks/probes.py            settings that probes.csv lacks
    python benchmarks/probes.py --only ebhi_seg/224/imagenet_100

Three folds by group; the same features, the same training and test tiles. The product: the stages
that its rule puts under the head, strength by inner folds of groups. scikit-learn: standardise,
balanced logistic regression on the best stage (judged as the product judges it), strength by inner
folds of groups, fitted on all training tiles. Calls are pooled over folds; AUROC is one class
against the rest, mean over classes. Intervals: groups resampled, both judged by the same.

The rule (two stages, 0.03 AUROC apart at most) was chosen on the rows marked `chosen_on`; the
others were measured once, afterwards. Needs `../shared/data` as transfer.py does.
"""

import argparse
import csv
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from transfer_sets import DATA, Case, prepare

from histotile.data.selection import select_tiles
from histotile.io.atomic import replacing
from histotile.io.features import read_features
from histotile.stats.auroc import aurocs, judged_classes
from histotile.stats.bootstrap import draw_weights
from histotile.stats.crossvalidation import divide
from histotile.strategy.entry import Estimate
from histotile.strategy.probing.depth import early_stages, measure_depth
from histotile.strategy.probing.linear_probe import components, hold_out
from histotile.strategy.record import StageScore
from histotile.tasks.probe import Features, fit_probe
from histotile.tasks.registry import make_task

CSV = Path(__file__).with_suffix(".csv")
CHOSEN_ON = (
    *("ebhi_seg/224/imagenet_035", "colorectal5_flagy/224/imagenet_035"),
    *("osteosarcoma_60/224/imagenet_035", "ucsb_breast_tma/224/imagenet_035"),
)
PLAN = (
    *("ebhi_seg/224/imagenet_100", "ebhi_seg/224/imagenet_v1", "colorectal5_flagy/224/imagenet_v1"),
    *("idc_ps50/96/imagenet_035", "ebhi_seg/96/natural", "osteosarcoma_60/224/imagenet_v1"),
    *("ucsb_breast_tma/224/imagenet_v1", "idc_ps50/96/natural"),
    *CHOSEN_ON,
)
FOLDS, RESAMPLES, TOLERANCE = 3, 1000, 0.03
Logits = NDArray[np.float64]


@dataclass(frozen=True)
class Tiles:
    """Features (N, width) of each stage, with labels and groups."""

    stages: list[NDArray[np.float32]]
    labels: NDArray[np.int64]
    groups: NDArray[np.str_]
    task: Any

    def some(self, stages: list[int], rows: NDArray[np.int64]) -> Features:
        """Features of stages, counted from 1, side by side."""
        parts = [self.stages[number - 1][rows] for number in stages]
        widths = tuple(part.shape[1] for part in parts)
        values = np.concatenate(parts, axis=1)
        return Features(values, self.labels[rows], self.groups[rows], None, widths)


def read_tiles(name: str) -> Tiles:
    """All labelled tiles of a set."""
    dataset, px, backbone = name.split("/")
    case = Case(dataset, int(px), backbone, 9999, 0)
    material = prepare(case)
    slides = material.slides("train", "val", "test")
    task = make_task(case.config.classes)
    named = {slide.slide_id: slide.tiles for slide in slides}
    chosen = select_tiles(named, list(named), task, case.config.train.max_tiles_per_slide, 0)
    parts: list[list[Any]] = []
    for number, slide in enumerate(chosen.slide_ids):
        file = read_features(material.folder / backbone / f"{slide}.h5")
        row_of = {int(tile): row for row, tile in enumerate(file.tile_ids)}
        rows = [row_of[int(tile)] for tile in chosen.tile_id[chosen.slide == number]]
        parts.append([file.of_stage(s.number)[rows].astype(np.float32) for s in file.stages])
    stages = [np.concatenate(of_stage) for of_stage in zip(*parts, strict=True)]
    groups = np.array(chosen.slide_ids)[chosen.slide]
    return Tiles(stages, np.asarray(chosen.label), groups, task)


def scored_stages(tiles: Tiles, rows: NDArray[np.int64]) -> list[float]:
    """AUROC of a head on each stage on left-out groups among these rows."""
    labels, groups = tiles.labels[rows], np.unique(tiles.groups[rows], return_inverse=True)[1]
    plan = divide(labels, groups, len(tiles.task.strata), (5, 1), 0)
    assert plan is not None
    scores = [hold_out(components(x[rows], 0), plan).scores() for x in tiles.stages]
    return [float(score[0]) for score in scores]


def head_stages(scores: list[float]) -> list[int]:
    """The stages that the product's rule puts under the head of a small cohort."""
    last = len(scores)
    if measure_depth(np.array([scores]), TOLERANCE).sufficient:
        return [last]
    nothing: Any = {"name": "", "weights": 0, "random_score": None, "knn": None, "logme": None}
    entries = [
        StageScore(stage=n, score=Estimate(value=score), **nothing)
        for n, score in enumerate(scores, 1)
    ]
    return early_stages(entries, TOLERANCE)


def by_product(tiles: Tiles, stages: list[int], train: Any, test: Any) -> Logits:
    """What the product's probe says of the tested tiles."""
    head = fit_probe(tiles.task, tiles.some(stages, train), True, 0).head
    return head.logits(tiles.some(stages, test).values)


def by_sklearn(tiles: Tiles, stage: int, train: Any, test: Any) -> Logits:
    """What a few lines of scikit-learn say of them; log-probabilities."""
    search = GridSearchCV(
        make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=300)),
        {"logisticregression__C": [1e-4, 1e-3, 1e-2, 1e-1, 1.0]},
        scoring="balanced_accuracy",
        cv=StratifiedGroupKFold(4),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", "y_pred contains classes")  # inner folds may miss one
        search.fit(tiles.stages[stage - 1][train], tiles.labels[train], groups=tiles.groups[train])
    chances = search.predict_proba(tiles.stages[stage - 1][test])
    found: Logits = np.log(np.maximum(chances, 1e-12))
    return found


def measure(name: str) -> dict[str, Any]:
    """The row of a setting."""
    tiles = read_tiles(name)
    said = {who: np.zeros((len(tiles.labels), len(tiles.task.strata))) for who in ("own", "sk")}
    chosen, inner = [], StratifiedGroupKFold(FOLDS, shuffle=True, random_state=7)
    for train, test in inner.split(tiles.labels, tiles.labels, tiles.groups):
        scores = scored_stages(tiles, train)
        stages = head_stages(scores)
        said["own"][test] = by_product(tiles, stages, train, test)
        said["sk"][test] = by_sklearn(tiles, int(np.argmax(scores)) + 1, train, test)
        chosen.append("+".join(map(str, stages)))
    groups = np.unique(tiles.groups, return_inverse=True)[1]
    weights = np.concatenate(
        [np.ones((1, groups.max() + 1)), draw_weights([0] * (groups.max() + 1), RESAMPLES, 0)]
    )
    own, sk = (scores_of(tiles, said[who], groups, weights) for who in ("own", "sk"))
    row: dict[str, Any] = {"setting": name, "chosen_on": name in CHOSEN_ON}
    row |= {"tiles": len(groups), "groups": int(groups.max()) + 1, "stages": " ".join(chosen)}
    for what, ours, theirs in zip(("auroc", "bacc"), own, sk, strict=True):
        low, high = np.nanpercentile((ours - theirs)[1:], [2.5, 97.5])
        row |= {
            f"{what}": ours[0],
            f"{what}_sklearn": theirs[0],
            f"{what}_ahead": ours[0] - theirs[0],
        }
        row |= {f"{what}_low": low, f"{what}_high": high}
    return {k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()}


def scores_of(
    tiles: Tiles, logits: Logits, groups: NDArray[np.int64], weights: Any
) -> tuple[Any, Any]:
    """(B,) AUROC and balanced accuracy when groups count as often as each row of weights says."""
    values = tiles.task.activate(logits)
    judged = judged_classes(values.shape[1])
    each = [aurocs(values[:, c], tiles.labels == c, groups, weights) for c in judged]
    calls = values.argmax(1)
    of_tiles = weights[:, groups]
    accuracy = [
        balanced_accuracy_score(tiles.labels, calls, sample_weight=some) for some in of_tiles
    ]
    return np.nanmean(np.stack(each, 1), axis=1), np.array(accuracy)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="")
    only = parser.parse_args().only
    if not DATA.is_dir():
        print(f"skipped: no labelled tiles at {DATA}; set HISTOTILE_SHARED")
        return
    rows: list[dict[str, Any]] = []
    if CSV.is_file():
        with CSV.open(newline="", encoding="utf-8") as handle:
            rows = list(csv.DictReader(handle))
    for name in PLAN:
        if name.startswith(only) and name not in {row["setting"] for row in rows}:
            rows.append(measure(name))
            print(rows[-1], flush=True)
            with replacing(CSV) as path, path.open("w", newline="", encoding="utf-8") as handle:
                writer = csv.DictWriter(handle, list(rows[-1]), lineterminator="\n")
                writer.writeheader()
                writer.writerows(rows)


if __name__ == "__main__":
    main()
