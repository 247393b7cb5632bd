"""How far linear heads lie from the minimum they are to find: ours, and scikit-learn's as it stops.

Of each fold of a run: heads on the cached features of its training tiles, by `stats.linear_head`
and by LogisticRegression at its default tolerance (as histotile fitted them before), against
the same regression solved to 1e-12; the largest difference of a probability on its validation
tiles. Writes benchmarks/heads.csv.

    make demo && python benchmarks/heads.py demo/results
"""

import csv
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from histotile.io.atomic import replacing
from histotile.io.features import read_features
from histotile.stats.linear_head import fit_heads, lesson_weights
from histotile.tasks.probe import Features
from histotile.tasks.registry import make_task
from histotile.training.job import FoldSlide, gather_tiles
from histotile.training.strategies.linear_probe import cached_features

CSV = Path(__file__).with_suffix(".csv")
STRENGTHS = (0.01, 0.001, 0.0001)
MOST = 400  # tiles per slide and class, as in the demo


def features_of(results: Path, fold: str) -> tuple[Features, Features]:
    """Of the training and of the validation tiles of a fold, at the deepest stage."""
    with (results / "split/folds.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["fold"] == fold]
    slides = [
        FoldSlide(
            row["slide_id"],
            row["patient_id"],
            row["role"],  # type: ignore[arg-type]
            results / f"tile/{row['slide_id']}.parquet",
            results / f"embed/{row['slide_id']}.h5",
        )
        for row in rows
        if row["role"] != "test"
    ]
    tiles = gather_tiles(slides, make_task(("healthy", "tumour")), MOST, 0)
    first = slides[0].features
    assert first is not None
    file_of = read_features(first)
    made_by, stage = file_of.facts["backbone_id"], file_of.stages[-1].number
    train = cached_features(tiles, tiles.train, made_by, [stage]).as_is()
    return train, cached_features(tiles, tiles.val, made_by, [stage]).as_is()


def chance(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of the second class, from the difference of the two logits."""
    return np.asarray(1 / (1 + np.exp(-logits)))


def measure(results: Path, fold: str) -> list[dict[str, object]]:
    """A row per strength."""
    train, val = features_of(results, fold)
    values = np.asarray(train.values, np.float64)
    middle, spread = values.mean(0), np.maximum(values.std(0), 1e-6)
    known, new = (values - middle) / spread, (np.asarray(val.values, float) - middle) / spread
    weights = lesson_weights(train.labels, np.ones((1, len(known)), np.bool_))
    ours = fit_heads(train.values, train.labels, weights, STRENGTHS)

    def by_sklearn(strength: float, tol: float, steps: int) -> NDArray[np.float64]:
        model = LogisticRegression(
            C=1 / (strength * len(known)), class_weight="balanced", max_iter=steps, tol=tol
        )
        return chance(model.fit(known, train.labels).decision_function(new))

    rows = []
    for strength, (head,) in zip(STRENGTHS, ours, strict=True):
        exact = by_sklearn(strength, 1e-12, 100_000)
        logits = head.logits(val.values)
        differences = {
            "histotile": np.abs(chance(logits[:, 1] - logits[:, 0]) - exact).max(),
            "scikit_learn_default": np.abs(by_sklearn(strength, 1e-4, 500) - exact).max(),
        }
        rows.append({"fold": fold, "strength": strength, "tiles": len(known)})
        rows[-1] |= {name: round(float(value), 6) for name, value in differences.items()}
    return rows


def main() -> None:
    results = Path(sys.argv[1])
    folds = sorted(path.name.removeprefix("fold") for path in (results / "train").glob("fold*"))
    rows = [row for fold in folds for row in measure(results, fold)]
    with replacing(CSV) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(CSV.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
