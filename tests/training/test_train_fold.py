"""Training a fold both ways: what it learns, what it writes, and that it can be repeated."""

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import torch

from histotile.config import Backbone, Engine, Train
from histotile.errors import HistotileError
from histotile.inference.checkpoint import load
from histotile.inference.ensemble import Ensemble, load_members
from histotile.inference.predict import predict_slide
from histotile.io.features import read_features
from histotile.tasks.registry import make_task
from histotile.tasks.task import Task
from histotile.training.diagnosis import Diagnosis, diagnose
from histotile.training.job import FoldSlide, Machine, Run
from histotile.training.train_fold import train_fold

CLASSES = ("healthy", "tumour")
TASK = make_task(CLASSES)
Settings = Callable[..., Train]
Slides = list[FoldSlide]


def points(folder: Path) -> list[dict[str, str]]:
    with (folder / "curves.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    "strategy", ["linear_probe", "finetune", pytest.param("retrain", marks=pytest.mark.slow)]
)
def test_fold_learns_what_tells_the_classes_apart(
    tmp_path: Path,
    fold: Slides,
    make_slide: Callable[..., Path],
    make_settings: Settings,
    tiny_backbone: Backbone,
    make_engine: Callable[..., Engine],
    strategy: str,
) -> None:
    folder = tmp_path / "fold0"
    settings = make_settings(strategy=strategy)
    summary = train_fold(folder, fold, TASK, tiny_backbone, settings, Run(portable=True))
    assert sorted(p.name for p in folder.iterdir()) == [
        "curves.csv",
        "curves.svg",
        "model.ckpt",
        "model.onnx",
        "summary.json",
    ]
    assert summary["torch_only"] == ""
    assert json.loads((folder / "summary.json").read_text()) == json.loads(json.dumps(summary))
    ElementTree.parse(folder / "curves.svg")
    model = load(folder / "model.ckpt")
    assert (model.classes, model.tile_px, model.tile_mpp) == (CLASSES, 64, 0.5)
    assert model.model_id == summary["model_id"]
    ensemble = load_members([folder], make_engine("openvino"), threads=1)
    new = [predict_slide(make_slide("new", seed=s), ensemble).columns for s in (97, 98, 99)]
    truth = np.concatenate([columns["x"] >= 256 for columns in new])
    found = np.concatenate([columns["prob_tumour"] for columns in new])
    area = float((found[truth][:, None] > found[~truth][None]).mean())
    assert area > (
        0.7 if strategy == "linear_probe" else 0.95
    )  # `linear_probe`: on random features
    steps = [float(p["step"]) for p in points(folder)]
    assert steps == (
        [10, 1, 0.1, 0.01, 0.001, 0.0001] if strategy == "linear_probe" else [0, 1, 2, 3, 4]
    )
    assert summary["sizes"]["train"] == {
        "patients": 5,
        "slides": 5,
        "tiles": {"healthy": 80, "tumour": 80},
    }


def test_fixed_head_on_the_network_equals_the_probe_on_features(
    tmp_path: Path,
    fold: Slides,
    make_settings: Settings,
    tiny_backbone: Backbone,
    make_ensemble: Callable[..., Ensemble],
) -> None:
    train_fold(tmp_path / "f", fold, TASK, tiny_backbone, make_settings())
    assert not (tmp_path / "f" / "model.onnx").exists()  # comparisons need none
    model = load(tmp_path / "f" / "model.ckpt")
    assert fold[6].features is not None
    features = torch.from_numpy(read_features(fold[6].features).features.astype(np.float32))
    with torch.inference_mode():
        logits = model.network.get_classifier()(features)  # type: ignore[operator]
    predicted = predict_slide(fold[6].tiles, make_ensemble(model)).columns["prob_tumour"]
    np.testing.assert_allclose(logits.softmax(1)[:, 1], predicted, atol=5e-3)  # float16 features


def test_fixed_leaves_the_backbone_as_it_came(
    tmp_path: Path, fold: Slides, make_settings: Settings, tiny_backbone: Backbone
) -> None:
    from histotile.backbones.build import body_digest, build_network

    summary = train_fold(tmp_path / "f", fold, TASK, tiny_backbone, make_settings())
    network, _ = build_network(tiny_backbone, 2, 64)
    assert body_digest(load(tmp_path / "f" / "model.ckpt").network) == body_digest(network)
    assert summary["trained_weights"] == 2 * 256 + 2


@pytest.mark.parametrize("strategy", ["linear_probe", "finetune"])
def test_same_seed_gives_the_same_weights(
    tmp_path: Path, fold: Slides, make_settings: Settings, tiny_backbone: Backbone, strategy: str
) -> None:
    settings = make_settings(strategy=strategy, epochs=1)
    ids = [
        train_fold(tmp_path / name, fold, TASK, tiny_backbone, settings)["model_id"]
        for name in ("once", "again")
    ]
    assert ids[0] == ids[1]
    if strategy == "finetune":
        other = make_settings(strategy=strategy, epochs=1, seed=1)
        third = train_fold(tmp_path / "other", fold, TASK, tiny_backbone, other)
        assert third["model_id"] != ids[0]


def test_a_forced_strategy_does_not_need_a_decision_and_auto_follows_it(
    tmp_path: Path, fold: Slides, make_settings: Settings, tiny_backbone: Backbone
) -> None:
    forced = make_settings(strategy="finetune", epochs=1)
    auto = make_settings(strategy="auto", epochs=1)
    decided: Any = ("finetune", (5,))
    once = train_fold(tmp_path / "a", fold, TASK, tiny_backbone, forced)
    again = train_fold(tmp_path / "b", fold, TASK, tiny_backbone, auto, Run(decided=decided))
    assert once["model_id"] == again["model_id"]
    assert again["strategy"] == load(tmp_path / "b" / "model.ckpt").strategy == "finetune"


def test_a_training_that_never_improves_gives_way_to_the_probe(
    tmp_path: Path, fold: Slides, make_settings: Settings, tiny_backbone: Backbone
) -> None:
    hopeless = make_settings(strategy="finetune", rate=1e30, epochs=1)
    run = Run(decided=("finetune", (2,)))
    found = train_fold(tmp_path / "a", fold, TASK, tiny_backbone, hopeless, run)
    assert found["best"]["step"] == 0
    assert found["instead_of"]["strategy"] == "finetune"
    assert "did not better" in found["diagnosis"]["reason"]
    probe = make_settings(strategy="early_probe")
    expected = train_fold(tmp_path / "b", fold, TASK, tiny_backbone, probe, run)
    assert expected["instead_of"] is None
    assert found["model_id"] == expected["model_id"]
    model = load(tmp_path / "a" / "model.ckpt")
    assert (model.strategy, model.architecture.stages) == ("early_probe", (2,))
    assert not (tmp_path / "a" / "checkpoints").exists()
    assert len(points(tmp_path / "a")) == 2, "the curve is that of what was tried"


def test_without_features_or_decision_the_training_stands(
    tmp_path: Path, fold: Slides, make_settings: Settings, tiny_backbone: Backbone
) -> None:
    hopeless = make_settings(strategy="finetune", rate=1e30, epochs=1)
    bare = [replace(slide, features=None) for slide in fold]
    for number, (slides, run) in enumerate(((fold, Run()), (bare, Run(decided=("retrain", (2,)))))):
        folder = tmp_path / str(number)
        found = train_fold(folder, slides, TASK, tiny_backbone, hopeless, run)
        assert (found["best"]["step"], found["instead_of"]) == (0, None)
        assert found["strategy"] == "finetune"


@pytest.mark.slow
def test_training_stops_when_val_no_longer_improves(
    tmp_path: Path, fold: Slides, make_settings: Settings, tiny_backbone: Backbone
) -> None:
    settings = make_settings(strategy="finetune", rate=0.3, epochs=12, patience=2)
    train_fold(tmp_path / "f", fold, TASK, tiny_backbone, settings)
    losses = [float(p["val_loss"]) for p in points(tmp_path / "f")]
    trained = losses[1:]  # the probe before them does not count
    assert len(trained) < 12
    assert len(trained) - 1 - int(np.argmin(trained)) == 2
    summary = json.loads((tmp_path / "f" / "summary.json").read_text())
    assert summary["best"]["val_loss"] == min(losses)


@pytest.mark.parametrize("strategy", ["linear_probe", "finetune"])
def test_tensorboard_and_terminal_get_every_point_of_the_curve(
    tmp_path: Path, fold: Slides, make_settings: Settings, tiny_backbone: Backbone, strategy: str
) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    shown: list[int] = []
    machine = Machine(show=lambda curve, _: shown.append(len(curve)))
    settings = make_settings(strategy=strategy, epochs=1, tensorboard=True)
    for _ in range(2):  # a second training does not leave the first one's points
        summary = train_fold(
            tmp_path / "f", fold, TASK, tiny_backbone, settings, Run(machine, icc=0.5)
        )
    rows = points(tmp_path / "f")
    assert shown == [*range(1, len(rows) + 1)] * 2
    logged = EventAccumulator(str(tmp_path / "f" / "tensorboard")).Reload()
    values = [event.value for event in logged.Scalars("val_loss")]
    expected = [float(row["val_loss"]) for row in rows]
    assert values[-len(expected) :] == pytest.approx(expected, rel=1e-5)
    if strategy == "linear_probe":
        assert len(values) == len(expected)
        strengths = [event.value for event in logged.Scalars("l2_strength")]
        assert strengths == pytest.approx([float(row["step"]) for row in rows])
    assert "diagnosis/text_summary" in logged.Tags()["tensors"]
    assert 10 < summary["independent_samples"] < 160
    ratio = summary["trained_weights"] / summary["independent_samples"]
    assert summary["weights_per_sample"] == pytest.approx(ratio)


def test_a_missing_tensorboard_is_told_before_anything_is_trained(
    tmp_path: Path,
    fold: Slides,
    make_settings: Settings,
    tiny_backbone: Backbone,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("histotile.training.train_fold.find_spec", lambda name: None)
    with pytest.raises(HistotileError, match="pip install tensorboard"):
        train_fold(tmp_path / "f", fold, TASK, tiny_backbone, make_settings(tensorboard=True))
    assert not (tmp_path / "f" / "model.ckpt").exists()


def relabelled(make_slide: Callable[..., Path], slide: FoldSlide, label: Any) -> FoldSlide:
    return replace(slide, tiles=make_slide(slide.slide_id, label=[label] * 32))


@pytest.mark.parametrize(
    ("role", "label", "message"),
    [
        ("train", "healthy", "no training tile is labelled tumour"),
        ("train", None, "labelled healthy or tumour"),
        ("val", None, "no slide of role val has a labelled tile"),
    ],
)
def test_too_few_labels_are_named(
    tmp_path: Path,
    fold: Slides,
    make_slide: Callable[..., Path],
    make_settings: Settings,
    tiny_backbone: Backbone,
    role: str,
    label: str | None,
    message: str,
) -> None:
    slides = [relabelled(make_slide, s, label) if s.role == role else s for s in fold]
    with pytest.raises(HistotileError, match=message):
        train_fold(tmp_path / "f", slides, TASK, tiny_backbone, make_settings())


def test_a_fold_without_val_slides_is_refused(
    tmp_path: Path, fold: Slides, make_settings: Settings, tiny_backbone: Backbone
) -> None:
    with pytest.raises(HistotileError, match="no slide of role val"):
        train_fold(tmp_path / "f", fold[:5], TASK, tiny_backbone, make_settings())


def test_features_must_fit(
    tmp_path: Path, fold: Slides, make_settings: Settings, tiny_backbone: Backbone
) -> None:
    other = Backbone(name="test_efficientnet_gn", weights="none", domain="auto", options={})
    with pytest.raises(HistotileError, match="was made by backbone"):
        train_fold(tmp_path / "f", fold, TASK, other, make_settings())
    without = [replace(fold[0], features=None), *fold[1:]]
    with pytest.raises(HistotileError, match="histotile embed"):
        train_fold(tmp_path / "f", without, TASK, tiny_backbone, make_settings())


def test_fixed_never_imports_lightning() -> None:
    code = (
        "import sys, histotile.training.train_fold, histotile.training.strategies.early_probe, "
        "histotile.inference.predict, histotile.inference.embed; print(*sys.modules)"
    )
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    assert not {"pytorch_lightning", "sklearn", "pandas", "matplotlib.pyplot"} & set(loaded)


@pytest.mark.parametrize(
    ("mixup", "options", "task", "comparable"),
    [
        (0.0, {}, TASK, True),
        (0.4, {}, TASK, False),
        (0.0, {"drop_path_rate": 0.1}, TASK, False),
        (0.0, {}, make_task(TASK.names, options={"smoothing": 0.1}), False),
        (0.0, {}, make_task(TASK.names, options={"focal_gamma": 2.0}), False),
    ],
)
def test_a_loss_of_other_making_is_not_compared_with_that_on_unchanged_tiles(
    tmp_path: Path,
    fold: Slides,
    make_settings: Settings,
    tiny_backbone: Backbone,
    monkeypatch: pytest.MonkeyPatch,
    mixup: float,
    options: dict[str, Any],
    task: Task,
    comparable: bool,
) -> None:
    told: list[tuple[Any, ...]] = []

    def watched(*given: Any) -> Diagnosis:
        told.append(given[-3:])
        return diagnose(*given)

    monkeypatch.setattr("histotile.training.train_fold.diagnose", watched)
    settings = make_settings(strategy="finetune", epochs=1, max_tiles_per_slide=4)
    recipe = settings.finetune.model_copy(update={"mixup": mixup})
    settings = settings.model_copy(update={"finetune": recipe})
    backbone = tiny_backbone.model_copy(update={"options": options})
    train_fold(tmp_path / "f", fold, task, backbone, settings)
    assert told == [("finetune", "finetune", comparable)]
