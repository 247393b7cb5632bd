"""Any of several labels: what texts mean, what is lost, what is learnt."""

import numpy as np
import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from histotile.tasks.probe import Features, fit_probe
from histotile.tasks.registry import make_task, read_task
from histotile.tasks.task import UNKNOWN, score

TASK = make_task(("necrosis", "tumour"), "multilabel")


@pytest.mark.parametrize(
    ("text", "flags", "spelt"),
    [
        ("tumour", (0, 1), "tumour"),
        ("tumour; necrosis", (1, 1), "necrosis;tumour"),
        ("tumour;tumour;", (0, 1), "tumour"),
        ("none", (0, 0), "none"),
        (None, (UNKNOWN, UNKNOWN), None),
        ("", (UNKNOWN, UNKNOWN), None),
    ],
)
def test_texts_mean_labels(text: str | None, flags: tuple[int, int], spelt: str | None) -> None:
    labels = TASK.labels([text])
    assert tuple(labels[0]) == flags
    assert TASK.texts(labels) == [spelt]


def test_what_is_no_label_is_foreign_and_unknown() -> None:
    strange = ["fat", "none;tumour", "tumour;fat", ";", " ; "]
    assert TASK.foreign([*strange, "none", "tumour", None, "a;a"]) == sorted([*strange, "a;a"])
    assert (TASK.labels(strange) == UNKNOWN).all()


def test_strata_tell_none_each_and_several() -> None:
    labels = TASK.labels(["none", "necrosis", "tumour", "necrosis;tumour", None])
    assert TASK.stratum(labels).tolist() == [0, 1, 2, 3, UNKNOWN]


def test_lacking_names_labels_never_and_always_seen() -> None:
    assert TASK.lacking(TASK.labels(["none", "tumour"])) == ["necrosis"]
    always = TASK.labels(["necrosis", "necrosis;tumour"])
    assert TASK.lacking(always) == ["anything without necrosis"]
    assert not TASK.lacking(TASK.labels(["none", "necrosis;tumour"]))


def test_loss_and_error_agree_and_leave_unknown_tiles_out() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(40, 2))
    labels = TASK.labels(rng.choice(["none", "tumour", "necrosis;tumour"], 40).tolist())
    weights = TASK.weights(labels, balanced=True)
    given = torch.tensor(logits), torch.tensor(labels), torch.tensor(weights)
    assert float(TASK.loss(*given)) == pytest.approx(TASK.error(logits, labels, weights))
    plain = binary_cross_entropy_with_logits(given[0], given[1].double())
    assert TASK.error(logits, labels) == pytest.approx(float(plain))
    more = np.vstack([labels, [[UNKNOWN] * 2]]), np.vstack([logits, [[50.0, -50.0]]])
    assert TASK.error(more[1], more[0]) == pytest.approx(TASK.error(logits, labels))


def test_focal_loss_makes_easy_tiles_matter_less_and_smoothing_forbids_certainty() -> None:
    labels = torch.tensor([[1, 0]])
    easy, hard = torch.tensor([[4.0, -4.0]]), torch.tensor([[-1.0, 1.0]])

    def loss(logits: torch.Tensor, **options: float) -> float:
        return float(make_task(TASK.names, "multilabel", options).loss(logits, labels, None))

    assert loss(easy, focal_gamma=2) / loss(easy) < loss(hard, focal_gamma=2) / loss(hard)
    assert loss(easy * 5, smoothing=0.1) > loss(easy, smoothing=0.1)


def test_a_probe_learns_labels_that_occur_together() -> None:
    rng = np.random.default_rng(0)
    flags = rng.integers(0, 2, (400, 2))
    values = flags @ rng.normal(size=(2, 8)) + rng.normal(0, 0.3, (400, 8))
    groups = np.array([f"p{n % 20}" for n in range(400)])
    seen = Features(values[:300], flags[:300].astype(np.int8), groups[:300])
    head = fit_probe(TASK, seen, True, 0).head
    found = TASK.activate(head.logits(values[300:]))
    assert (score(TASK, found, flags[300:].astype(np.int8)) or 0) > 0.98
    assert set(TASK.preds(found)) == {"none", "necrosis", "tumour", "necrosis;tumour"}


def test_metadata_gives_the_task_back() -> None:
    given = make_task(TASK.names, "multilabel", {"smoothing": 0.1, "focal_gamma": 2.0})
    again = read_task(given.metadata())
    assert again.metadata() == given.metadata()
    assert again == TASK  # trained otherwise, the same labels
