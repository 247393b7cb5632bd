"""Tasks of classes: labels, loss, score, columns, and what a map of them shows."""

import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.metrics import roc_auc_score
from torch import nn

from histotile.errors import HistotileError
from histotile.tasks.registry import TASKS, make_task, read_task
from histotile.tasks.task import score

TWO, THREE = make_task(("healthy", "tumour")), make_task("abc")


def test_number_of_classes_decides_unless_a_kind_is_named() -> None:
    assert (TWO.kind, THREE.kind) == ("binary", "multiclass")
    assert make_task(("healthy", "tumour"), "multiclass").kind == "multiclass"
    with pytest.raises(HistotileError, match="'ordinal' is none"):
        make_task("abc", "ordinal")


@pytest.mark.parametrize("kind", TASKS)
def test_metadata_gives_the_task_back_and_older_ones_tell_classes_alone(kind: str) -> None:
    task = make_task(("healthy", "tumour"), kind)
    assert read_task(task.metadata()) == task
    assert read_task({"classes": ["healthy", "tumour"]}) == TWO


def test_labels_are_numbers_in_the_order_of_the_classes() -> None:
    assert TWO.labels(["tumour", None, "stroma", "healthy"]).tolist() == [1, -1, -1, 0]
    assert TWO.foreign(["tumour", None, "stroma", "cyst"]) == ["cyst", "stroma"]
    assert TWO.stratum(TWO.labels(["tumour", None])).tolist() == [1, -1]


def test_values_are_probabilities_that_add_up_to_one_whatever_the_logits() -> None:
    logits = np.random.default_rng(0).normal(0, 300, (20, 3)).astype(np.float32)
    np.testing.assert_allclose(THREE.activate(logits), softmax(logits.astype(float), axis=1))
    assert THREE.preds(np.array([[0.1, 0.2, 0.7], [np.nan] * 3])) == ["c", None]


def test_error_is_the_loss_that_is_learnt_by() -> None:
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(0, 50, (20, 3)), rng.integers(0, 3, 20)
    weights = THREE.weights(labels, True)
    given, truth, weighing = map(torch.from_numpy, (logits, labels, weights))
    expected = float(nn.functional.cross_entropy(given, truth, weighing))
    assert THREE.error(logits, labels, weights) == pytest.approx(expected)
    assert float(THREE.loss(given, truth, weighing)) == pytest.approx(expected)
    flat = THREE.error(np.zeros((20, 3)), labels, weights)
    assert flat == pytest.approx(THREE.blind_error(labels))


def test_tiles_without_label_add_nothing_to_the_loss() -> None:
    logits, labels = torch.randn(6, 3), torch.tensor([0, 2, -1, 1, -1, 0])
    known = labels >= 0
    whole, part = THREE.loss(logits, labels, None), THREE.loss(logits[known], labels[known], None)
    assert float(whole) == pytest.approx(float(part))


def test_rare_classes_weigh_more_where_asked() -> None:
    labels = np.array([0, 0, 0, 1])
    assert TWO.weights(labels, True).tolist() == pytest.approx([2 / 3, 2])
    assert TWO.weights(labels, False).tolist() == [1, 1]


def test_score_agrees_with_scikit_learn_and_knows_its_limits() -> None:
    rng = np.random.default_rng(0)
    labels, shares = rng.integers(0, 3, 60), rng.dirichlet([1, 1, 1], 60)
    expected = roc_auc_score(labels, shares, multi_class="ovr")
    assert score(THREE, shares, labels) == pytest.approx(expected)
    two = labels > 0
    assert score(TWO, shares[:, :2], two) == pytest.approx(roc_auc_score(two, shares[:, 1]))
    assert score(THREE, shares, np.zeros(60, np.int64)) is None


def test_patients_count_in_the_score_as_often_as_they_are_drawn() -> None:
    rng = np.random.default_rng(0)
    labels, values = rng.integers(0, 2, 40), rng.random((40, 2))
    patients, drawn = np.repeat(np.arange(4), 10), np.array([[2.0, 0, 1, 1], [1, 1, 1, 1]])
    found = TWO.scores(values, labels, patients, drawn)
    rows = np.concatenate([np.flatnonzero(patients == p) for p in (0, 0, 2, 3)])
    assert found[0] == pytest.approx(roc_auc_score(labels[rows], values[rows, 1]))
    assert found[1] == pytest.approx(score(TWO, values, labels))


def test_columns_and_maps_name_the_class() -> None:
    assert TWO.columns == ("prob_healthy", "prob_tumour")
    layer = TWO.layer("tumour")
    assert (layer.title, layer.label) == ("Probability of tumour", "p(tumour)")
    values = np.array([0.0, 0.3, 1.0], np.float32)
    np.testing.assert_array_equal(layer.share(values), values)
    assert (TWO.positive, THREE.positive) == ("tumour", None)
