"""A third task, made up here: no room but `tasks/` has to know it.

How coarse a tile's texture is, a number from 0 to 1, learnt by least squares.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn.functional import mse_loss

from histotile.config import Backbone, Train, Verify
from histotile.heatmaps.ome_tiff import write_map
from histotile.heatmaps.probability_map import Layout, probability_map
from histotile.inference.checkpoint import load
from histotile.inference.ensemble import Ensemble
from histotile.inference.predict import predict_slide
from histotile.io.tables import TILES, prediction_schema, read_footer, read_table, write_table
from histotile.stats.linear_head import LinearHead
from histotile.strategy.verification.comparison import Comparison
from histotile.strategy.verification.regret import verify
from histotile.strategy.verification.train_alternatives import compare
from histotile.tasks import registry
from histotile.tasks.probe import Features
from histotile.tasks.task import UNKNOWN, Layer, Task, read_values, value_columns
from histotile.training.job import FoldSlide, Run
from histotile.training.train_fold import train_fold

DEGREES = {"healthy": 0.75, "tumour": 0.25}  # coarse and fine texture in the tables of the tests
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Coarseness:
    """One number per tile; tiles above and below 0.5 are drawn evenly."""

    names: tuple[str, ...] = ("coarseness",)

    kind: ClassVar[str] = "coarseness"
    label_type: ClassVar[str] = "float64"
    strata: ClassVar[tuple[str, ...]] = ("fine", "coarse")
    outputs: ClassVar[int] = 1
    error_name: ClassVar[str] = "squared error"
    positive: ClassVar[str | None] = None
    score_name: ClassVar[str] = "one minus mean error"
    chance: ClassVar[float] = 0.5
    is_exclusive: ClassVar[bool] = False

    def labels(self, texts: Iterable[str | None]) -> Numbers:
        return np.array([DEGREES.get(text or "", np.nan) for text in texts])

    def texts(self, labels: Numbers) -> list[str | None]:
        named = {number: text for text, number in DEGREES.items()}
        return [named.get(label) for label in labels.tolist()]

    def merged(self, texts: Iterable[str | None]) -> str | None:
        return next((text for text in texts if text), None)

    def lacking(self, labels: Numbers) -> list[str]:
        return ["another number"] if np.ptp(labels) == 0 else []

    def foreign(self, texts: Iterable[str | None]) -> list[str]:
        return sorted({text for text in texts if text is not None} - set(DEGREES))

    def stratum(self, labels: Numbers) -> NDArray[np.int64]:
        return np.where(np.isnan(labels), UNKNOWN, labels > 0.5).astype(np.int64)

    def weights(self, labels: Numbers, balanced: bool) -> Numbers:
        return np.ones(1)

    def loss(
        self, logits: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor | None
    ) -> torch.Tensor:
        return mse_loss(logits[:, 0], labels.to(logits.dtype))

    def error(self, logits: Numbers, labels: Numbers, weights: Numbers | None = None) -> float:
        return float(np.mean((logits[:, 0] - labels) ** 2))

    def blind_error(self, labels: Numbers) -> float:
        return float(np.var(labels))

    def fit(
        self, features: Features, balanced: bool, strengths: tuple[float, ...]
    ) -> dict[float, LinearHead]:
        middle, spread = features.values.mean(0), features.values.std(0) + 1e-6
        values, truth = (
            (features.values - middle) / spread,
            features.labels - features.labels.mean(),
        )
        square = values.T @ values / len(values)
        heads = {}
        for strength in strengths:
            penalised = square + strength * np.eye(len(square))
            weight = np.linalg.solve(penalised, values.T @ truth / len(values))[None] / spread
            heads[strength] = LinearHead(weight, features.labels.mean() - weight @ middle)
        return heads

    def activate(self, logits: NDArray[Any]) -> Numbers:
        return np.clip(np.asarray(logits, np.float64), 0, 1)

    def preds(self, values: NDArray[Any]) -> list[str | None]:
        return [None if np.isnan(row[0]) else f"{row[0]:.2f}" for row in values]

    def scores(
        self, values: NDArray[Any], labels: Numbers, patients: NDArray[np.int64], weights: Numbers
    ) -> Numbers:
        each = weights[:, patients]
        with np.errstate(invalid="ignore"):  # where no tile counts
            found: Numbers = 1 - each @ np.abs(values[:, 0] - labels) / each.sum(1)
        return found

    @property
    def columns(self) -> tuple[str, ...]:
        return self.names

    def layer(self, name: str) -> Layer:
        return Layer("Coarseness of the texture", name, "c", 0.0, 1.0)

    def metadata(self) -> dict[str, Any]:
        return {"task": self.kind, "classes": list(self.names)}


@pytest.fixture
def task(monkeypatch: pytest.MonkeyPatch) -> Task:
    """The task, with its row in the registry."""
    monkeypatch.setitem(registry.TASKS, Coarseness.kind, Coarseness)
    return registry.make_task(("coarseness",), "coarseness")


@pytest.fixture
def fold(fold: list[FoldSlide], task: Task, tmp_path: Path) -> list[FoldSlide]:
    """The slides, whose tables say that they are labelled for the task."""

    def told(slide: FoldSlide) -> FoldSlide:
        path = tmp_path / slide.tiles.name
        columns = read_table(slide.tiles).to_pydict()
        write_table(path, columns, TILES, read_footer(slide.tiles) | task.metadata())
        return replace(slide, tiles=path)

    return [told(slide) for slide in fold]


@pytest.mark.parametrize("strategy", ["linear_probe", "early_probe", "finetune"])
def test_it_is_learnt_kept_predicted_and_mapped(
    task: Task,
    tmp_path: Path,
    fold: list[FoldSlide],
    tiny_backbone: Backbone,
    make_settings: Callable[..., Train],
    make_ensemble: Callable[..., Ensemble],
    strategy: str,
) -> None:
    settings = make_settings(strategy=strategy, rate=1e-2, epochs=12)
    run = Run(decided=("early_probe", (2,)))
    summary = train_fold(tmp_path, fold, task, tiny_backbone, settings, run)
    assert summary["task"] == "coarseness"
    model = load(tmp_path / "model.ckpt")
    assert model.task == task
    prediction = predict_slide(fold[6].tiles, make_ensemble(model))
    write_table(
        tmp_path / "p.parquet", prediction.columns, prediction_schema(task.columns), task.metadata()
    )
    table = read_table(tmp_path / "p.parquet")
    values = read_values(task, table)
    x, y = table["x"].to_numpy(), table["y"].to_numpy()
    assert values[x < 256].mean() > values[x >= 256].mean() + 0.1
    found = probability_map(x, y, values, task, Layout(0, 0, 512, 256, 64, 64))
    assert found.meaning(None).title == "Coarseness of the texture"
    assert found.layer(None).shape == (4, 8)
    write_map(tmp_path / "map.ome.tif", found, 0.5, {})


def test_it_is_compared_and_verified(
    task: Task,
    fold: list[FoldSlide],
    tiny_backbone: Backbone,
    make_settings: Callable[..., Train],
) -> None:
    slides = [*fold[:5], *(FoldSlide(s.slide_id, s.patient_id, "test", s.tiles) for s in fold[5:])]
    slides[4] = FoldSlide(fold[4].slide_id, "p4", "val", fold[4].tiles, fold[4].features)
    comparisons = []
    for strategy in ("linear_probe", "early_probe"):
        settings = make_settings(strategy=strategy)
        said = compare(slides, task, tiny_backbone, settings, (strategy, (2,)))
        assert set(value_columns(task, np.zeros((1, 1)))) < set(said)
        patients, values = np.array(said["patient_id"]), np.array(said["coarseness"])[:, None]
        labels = np.array(said["label"])
        comparisons.append(Comparison("fold0", strategy, labels, patients, values, 1.0, task))
    rules = Verify(budget="probe", margin=0.02, bootstraps=100, seed=0)
    chosen = {"fold0": "linear_probe"}
    result = verify(comparisons, chosen, ("linear_probe", "early_probe"), "probe", rules)
    assert all(0.5 < one.score.value <= 1 for one in result.strategies)
