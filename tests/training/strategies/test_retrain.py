"""Pre-trained weights as a start: of networks that lost their statistics, and of random ones."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from histotile.backbones.batch_norm import are_folded, batch_norms
from histotile.backbones.build import build_network
from histotile.config import Backbone, Train
from histotile.tasks.registry import make_task
from histotile.training.job import FoldSlide
from histotile.training.lightning_module import TileModule
from histotile.training.train_fold import train_fold

CLASSES = ("healthy", "tumour")
TASK = make_task(CLASSES)


@pytest.fixture
def slides(make_slide: Callable[..., Path]) -> list[FoldSlide]:
    """Three training patients and one for val."""
    return [
        FoldSlide(f"s{n}", f"p{n}", "train" if n < 3 else "val", make_slide(f"s{n}", seed=n))
        for n in range(4)
    ]


@pytest.fixture
def at_start(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Statistics and features of a tile, in evaluation, when the first step is about to come."""
    seen: dict[str, Any] = {}

    def look(module: TileModule) -> None:
        seen["folded"] = are_folded(module.network)
        seen["batches"] = {int(n.num_batches_tracked or 0) for n in batch_norms(module.network)}
        seen["features"] = features(module.network)
        module.train()

    monkeypatch.setattr(TileModule, "on_train_start", look)
    return seen


def features(network: Any) -> Tensor:
    torch.manual_seed(0)
    with torch.no_grad():
        network.eval()
        found: Tensor = network.forward_head(
            network.forward_features(torch.rand(4, 3, 64, 64) * 2 - 1), pre_logits=True
        )
        return found


def test_a_folded_network_starts_as_what_it_was_taught_to_be(
    tmp_path: Path,
    slides: list[FoldSlide],
    make_settings: Callable[..., Train],
    at_start: dict[str, Any],
) -> None:
    plain = Backbone(name="test_resnet", weights="none", domain="natural", options={})
    network, _ = build_network(plain, 2, 64)
    torch.save(network.state_dict(), tmp_path / "folded.pth")
    backbone = plain.model_copy(update={"weights": str(tmp_path / "folded.pth")})
    settings = make_settings(strategy="retrain", epochs=1)
    summary = train_fold(tmp_path / "f", slides, TASK, backbone, settings)
    assert at_start["folded"] is False
    torch.testing.assert_close(at_start["features"], features(network), rtol=1e-3, atol=1e-3)
    assert summary["steps"] == 6


def test_random_weights_are_measured_anew_and_start_without_a_probe(
    tmp_path: Path,
    slides: list[FoldSlide],
    make_settings: Callable[..., Train],
    at_start: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("histotile.training.start.fit_probe", lambda *_: pytest.fail("a probe"))
    backbone = Backbone(name="test_resnet", weights="none", domain="natural", options={})
    train_fold(
        tmp_path / "f",
        slides,
        TASK,
        backbone,
        make_settings(strategy="retrain", epochs=1),
    )
    assert at_start["folded"] is False
    assert at_start["batches"] == {6}  # 96 tiles in batches of 16
    network, _ = build_network(backbone, 2, 64)
    assert not torch.allclose(at_start["features"], features(network), atol=1e-3)
