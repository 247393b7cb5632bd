"""A backbone cut off after an early stage, under a head from cached features."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from histotile.backbones.build import body_digest, build_network, head
from histotile.backbones.stages import StageFeatures, parameters_up_to
from histotile.config import Backbone, Engine, Train
from histotile.data.prefetch import ReadAhead
from histotile.errors import HistotileError
from histotile.inference.checkpoint import load
from histotile.inference.ensemble import load_members
from histotile.inference.predict import predict_slide
from histotile.io.features import FeatureFile, read_features
from histotile.tasks.registry import make_task
from histotile.training.job import FoldSlide, Run
from histotile.training.strategies.early_probe import fully_frozen
from histotile.training.train_fold import train_fold

CLASSES = ("healthy", "tumour")
TASK = make_task(CLASSES)
SWIN = {"window_size": 2, "embed_dim": 24, "depths": (1, 1, 1), "num_heads": (1, 2, 2)}
DENSE = {"growth_rate": 8, "block_config": (2, 2, 2, 2)}


def backbone(name: str, options: dict[str, Any] | None = None) -> Backbone:
    return Backbone(name=name, weights="none", domain="natural", options=options or {})


def embedded(table: Path, network: Backbone, path: Path) -> Path:
    """All stages of a slide's tiles."""
    body, architecture = build_network(network, 2, 64)
    reader = ReadAhead(table, 32)
    ((ids, pixels),) = list(reader)
    shift, scale = (
        torch.tensor(v).view(1, 3, 1, 1) * 255 for v in (architecture.mean, architecture.std)
    )
    tiles = torch.from_numpy(np.ascontiguousarray(pixels)).float()
    tiles = tiles.permute(0, 3, 1, 2) if tiles.shape[-1] == 3 else tiles
    of_all = StageFeatures(body.eval())
    with torch.no_grad():
        found: list[Any] = of_all.of_stages(of_all((tiles - shift) / scale).numpy())
    *early, last = [values.astype(np.float16) for values in found]
    facts = {"backbone": network.model_dump(), "backbone_id": body_digest(body)}
    coords = np.zeros((len(ids), 2), np.int32)
    FeatureFile(last, tuple(early), coords, ids, None, of_all.stages, facts).write(path)
    return path


@pytest.fixture
def fold_of(tmp_path: Path, make_slide: Callable[..., Path]) -> Callable[..., list[FoldSlide]]:
    """Three patients to train, one for val, embedded by a backbone."""

    def make(network: Backbone) -> list[FoldSlide]:
        tables = [make_slide(f"s{n}", seed=n) for n in range(4)]
        return [
            FoldSlide(
                f"s{n}",
                f"p{n}",
                "train" if n < 3 else "val",
                table,
                embedded(table, network, tmp_path / f"s{n}.h5"),
            )
            for n, table in enumerate(tables)
        ]

    return make


@pytest.mark.parametrize(
    ("network", "stage"),
    [
        (backbone("test_resnet"), 2),
        (backbone("test_efficientnet"), 1),
        pytest.param(backbone("mobilenetv3_small_050"), 3, marks=pytest.mark.slow),
        pytest.param(backbone("test_convnext"), 2, marks=pytest.mark.slow),
        (backbone("test_vit"), 3),
        pytest.param(backbone("swin_tiny_patch4_window7_224", SWIN), 2, marks=pytest.mark.slow),
        pytest.param(backbone("densenet121", DENSE), 2, marks=pytest.mark.slow),
    ],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_truncated_networks_compute_the_probe_and_hold_no_later_layer(
    tmp_path: Path,
    fold_of: Callable[..., list[FoldSlide]],
    make_settings: Callable[..., Train],
    make_engine: Callable[..., Engine],
    network: Backbone,
    stage: int,
) -> None:
    slides = fold_of(network)
    settings = make_settings(strategy="early_probe")
    decided: Any = ("linear_probe", (stage,))  # a forced strategy takes its stages alone
    folder = tmp_path / "f"
    summary = train_fold(
        folder, slides, TASK, network, settings, Run(decided=decided, portable=True)
    )
    model = load(tmp_path / "f" / "model.ckpt")
    source, _ = build_network(network, 2, 64)
    # Weights are those of the stages kept, bit by bit; nothing else is there.
    kept = parameters_up_to(source, stage)
    own = {id(p) for p in head(model.network).parameters()}
    body = {
        n.removeprefix("body."): p for n, p in model.network.named_parameters() if id(p) not in own
    }
    parameters = dict(source.named_parameters())
    assert body.keys() == {name for name in kept if name in parameters}
    assert all(torch.equal(parameters[name], values) for name, values in body.items())
    # Its probabilities are those of the head on the cached features.
    path = slides[3].features
    assert path is not None
    cached = read_features(path)
    features = torch.from_numpy(cached.of_stage(stage).astype(np.float32))
    with torch.inference_mode():
        expected = head(model.network)(features).softmax(1)[:, 1].numpy()
    for engine in ("openvino", "torch"):
        ensemble = load_members([folder], make_engine(engine), threads=1)
        predicted = predict_slide(slides[3].tiles, ensemble).columns["prob_tumour"]
        np.testing.assert_allclose(predicted, expected, atol=5e-3)  # features are 16 bit
        assert not ensemble.notes
    # And the summary counts what is there and what is not.
    sizes = {n: p.numel() for n, p in source.named_parameters()}
    assert (summary["strategy"], summary["stages"]) == ("early_probe", [stage])
    assert summary["frozen_weights"] == sum(sizes[n] for n in body)
    assert summary["trained_weights"] == 2 * features.shape[1] + 2
    headless = sum(sizes.values()) - sum(p.numel() for p in head(source).parameters())
    assert summary["dropped_weights"] == headless - summary["frozen_weights"] > 0
    assert summary["planned_epochs"] is None


@pytest.mark.parametrize(
    ("network", "stages"),
    [
        (backbone("test_resnet"), (2, 3)),
        pytest.param(backbone("test_efficientnet"), (1, 5), marks=pytest.mark.slow),
        pytest.param(backbone("test_vit"), (2, 4), marks=pytest.mark.slow),
    ],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_a_head_on_two_stages_is_the_mean_of_their_own_heads(
    tmp_path: Path,
    fold_of: Callable[..., list[FoldSlide]],
    make_settings: Callable[..., Train],
    make_engine: Callable[..., Engine],
    network: Backbone,
    stages: tuple[int, ...],
) -> None:
    slides = fold_of(network)
    features = [read_features(slide.features) for slide in slides if slide.features]
    last = len(features[0].stages)
    stages = tuple(min(stage, last) for stage in stages)
    settings = make_settings(strategy="early_probe")
    logits: list[torch.Tensor] = []
    for seen in (stages, *((stage,) for stage in stages)):
        folder = tmp_path / str(len(logits))
        run = Run(decided=("early_probe", seen), portable=True)
        summary = train_fold(folder, slides, TASK, network, settings, run)
        assert summary["stages"] == list(seen)
        layer = head(load(folder / "model.ckpt").network)
        values = torch.from_numpy(features[3].of_stages(seen).astype(np.float32))
        with torch.inference_mode():
            logits.append(layer(values))
    both, *each = logits
    torch.testing.assert_close(both, torch.stack(each).mean(0), atol=1e-3, rtol=1e-3)
    expected = both.softmax(1)[:, 1].numpy()
    for engine in ("openvino", "torch"):
        ensemble = load_members([tmp_path / "0"], make_engine(engine), threads=1)
        predicted = predict_slide(slides[3].tiles, ensemble).columns["prob_tumour"]
        np.testing.assert_allclose(predicted, expected, atol=5e-3)  # features are 16 bit
        assert not ensemble.notes


def test_the_last_stage_is_the_whole_network_under_a_head(
    tmp_path: Path, fold_of: Callable[..., list[FoldSlide]], make_settings: Callable[..., Train]
) -> None:
    network = backbone("test_resnet")
    slides = fold_of(network)
    last: Any = ("early_probe", (5,))
    cut = train_fold(
        tmp_path / "cut",
        slides,
        TASK,
        network,
        make_settings(strategy="auto"),
        Run(decided=last),
    )
    whole = train_fold(tmp_path / "whole", slides, TASK, network, make_settings())
    assert cut["model_id"] == whole["model_id"]
    assert (cut["strategy"], cut["dropped_weights"]) == ("early_probe", 0)


@pytest.mark.parametrize("strategy", ["auto", "early_probe"])
def test_a_missing_decision_is_named(
    tmp_path: Path, make_settings: Callable[..., Train], strategy: str
) -> None:
    with pytest.raises(HistotileError, match="needs a decision"):
        train_fold(tmp_path, [], TASK, backbone("test_resnet"), make_settings(strategy=strategy))


def test_frozen_modules_are_the_outermost_ones() -> None:
    frozen = nn.Sequential(nn.Linear(2, 2), nn.Dropout())
    mixed = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    network = nn.Sequential(frozen, mixed, nn.ReLU())
    frozen.requires_grad_(False)
    mixed[0].requires_grad_(False)
    assert list(fully_frozen(network)) == [frozen, mixed[0]]
    network.requires_grad_(False)
    assert list(fully_frozen(network)) == [network]
