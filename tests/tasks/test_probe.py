"""Linear heads: their fit, its strength, and patients kept apart while choosing it."""

import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from torch import nn

from histotile.stats.logistic import STRENGTHS
from histotile.tasks.probe import Features, Probe, fit_probe
from histotile.tasks.registry import make_task

TASK = make_task(("healthy", "tumour"))


def features(patients: int = 8, tiles: int = 40, classes: int = 2, seed: int = 0) -> Features:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, patients * tiles)
    values = rng.normal(5, 3, (len(labels), 6))
    values[:, 0] += 4 * labels
    values[:, 5] = 7.0  # dead
    groups = np.repeat([f"p{i}" for i in range(patients)], tiles)
    return Features(values, labels, groups)


@pytest.mark.parametrize("classes", [2, 3])
def test_head_gives_the_probabilities_of_logistic_regression(classes: int) -> None:
    data, task = features(classes=classes), make_task("abc"[:classes])
    probe = Probe(task.fit(data, True, (0.01,))[0.01], (0.01,), {})
    values = np.asarray(data.values)
    scaled = (values - values.mean(0)) / np.where(values.std(0) > 1e-6, values.std(0), 1)
    options = {"class_weight": "balanced", "tol": 1e-9, "max_iter": 5000}
    model = LogisticRegression(C=1 / (0.01 * len(values)), **options)
    expected = model.fit(scaled, data.labels).predict_proba(scaled)
    np.testing.assert_allclose(softmax(probe.head.logits(values), axis=1), expected, atol=1e-5)
    layer = nn.Linear(6, classes)
    probe.fill(layer)
    logits = layer(torch.from_numpy(values).float()).detach().numpy()
    np.testing.assert_allclose(softmax(logits, axis=1), expected, atol=1e-3)


def test_strength_means_the_same_at_any_number_of_tiles() -> None:
    once = features()
    twice = once[np.tile(np.arange(len(once.labels)), 2)]
    probes = [TASK.fit(data, False, (0.1,))[0.1] for data in (once, twice)]
    np.testing.assert_allclose(probes[0].weight, probes[1].weight, atol=1e-3)


def test_strength_is_chosen_on_left_out_patients() -> None:
    # Every patient has a feature of its own that gives the class away inside the patient only.
    rng = np.random.default_rng(0)
    base = features(patients=10)
    own = np.zeros((len(base.labels), 10))
    number = np.array([int(name[1:]) for name in base.groups])
    own[np.arange(len(number)), number] = (
        20 * (2 * base.labels - 1) * rng.choice([-1, 1], 10)[number]
    )
    leaky = Features(np.hstack([base.values, own]), base.labels, base.groups)
    grouped = fit_probe(TASK, leaky, True, 0)
    alone = Features(leaky.values, leaky.labels, np.arange(len(number)).astype(str))
    assert min(grouped.losses.values()) > 0.5
    assert min(fit_probe(TASK, alone, True, 0).losses.values()) < 0.01
    assert set(grouped.losses) == set(STRENGTHS)


def test_one_patient_per_class_still_gives_a_head() -> None:
    data = features(patients=2)
    data = Features(data.values, (data.groups == "p1").astype(np.int64), data.groups)
    probe = fit_probe(TASK, data, True, 0)
    assert probe.losses == {}
    assert np.isfinite(probe.head.weight).all()


def test_changed_copies_are_learnt_from_and_never_measured_on() -> None:
    data = features()
    copies = np.asarray(data.values).copy()
    copies[:, 0] -= 40  # a copy is hopeless to classify; the tiles themselves are not
    values = np.concatenate([data.values, copies])
    labels, groups = np.tile(data.labels, 2), np.tile(data.groups, 2)
    changed = np.repeat([False, True], len(data.labels))
    blind = fit_probe(TASK, Features(values, labels, groups), True, 0)
    aware = fit_probe(TASK, Features(values, labels, groups, changed), True, 0)
    alone = fit_probe(TASK, data, True, 0)
    assert min(aware.losses.values()) != pytest.approx(min(alone.losses.values()), rel=1e-6)
    assert min(aware.losses.values()) != pytest.approx(min(blind.losses.values()), rel=1e-6)
    both = Features(values, labels, groups, changed)
    assert len(both.as_is().labels) == len(data.labels)
    assert not np.isin(both[np.arange(300, 400)].as_is().values[:, 0], copies[:, 0]).any()
