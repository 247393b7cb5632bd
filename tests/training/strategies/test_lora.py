"""`finetune` with low-rank additions: an ordinary network comes out."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from histotile.backbones.build import build_network
from histotile.config import Backbone, Train
from histotile.errors import HistotileError
from histotile.inference.checkpoint import load
from histotile.tasks.registry import make_task
from histotile.training.job import FoldSlide, Run
from histotile.training.train_fold import train_fold

TASK = make_task(("healthy", "tumour"))


def test_a_transformer_learns_by_additions_and_is_saved_as_it_was_built(
    tmp_path: Path, fold: list[FoldSlide], make_settings: Callable[..., Train]
) -> None:
    plain = Backbone(name="test_vit", weights="none", domain="auto", options={})
    torch.save(build_network(plain, 5, 64)[0].state_dict(), tmp_path / "taught.pth")
    backbone = plain.model_copy(update={"weights": str(tmp_path / "taught.pth")})
    settings = make_settings(rate=3e-3, strategy="finetune", epochs=6)
    recipe = settings.finetune.model_copy(update={"lora_rank": 8})
    settings = settings.model_copy(update={"finetune": recipe})
    summary = train_fold(tmp_path / "f", fold, TASK, backbone, settings, Run(portable=True))
    network, _ = build_network(backbone, 2, 64)
    before, after = network.state_dict(), load(tmp_path / "f" / "model.ckpt").network.state_dict()
    assert before.keys() == after.keys()
    changed = {key for key in before if not torch.equal(before[key], after[key])}
    assert changed == {
        *("head.weight", "head.bias"),
        *(f"blocks.{n}.attn.{part}.weight" for n in range(6) for part in ("qkv", "proj")),
    }
    assert summary["torch_only"] == ""  # exported like any
    whole = sum(p.numel() for p in network.parameters())
    assert summary["weights"] == whole
    assert summary["trained_weights"] == sum(e["weights"] for e in summary["lr"]) < 0.2 * whole
    assert summary["frozen_weights"] == whole - summary["trained_weights"]
    assert summary["best"]["step"] > 0


def test_a_network_without_attention_is_refused(
    tmp_path: Path,
    fold: list[FoldSlide],
    tiny_backbone: Backbone,
    make_settings: Callable[..., Train],
) -> None:
    settings = make_settings(strategy="finetune")
    recipe = settings.finetune.model_copy(update={"lora_rank": 8})
    settings = settings.model_copy(update={"finetune": recipe})
    torch.save(build_network(tiny_backbone, 2, 64)[0].state_dict(), tmp_path / "taught.pth")
    taught = tiny_backbone.model_copy(update={"weights": str(tmp_path / "taught.pth")})
    with pytest.raises(HistotileError, match="no attention"):
        train_fold(tmp_path / "f", fold, TASK, taught, settings)
    random = tiny_backbone.model_copy(update={"name": "test_vit"})
    with pytest.raises(HistotileError, match="weights is none"):
        train_fold(tmp_path / "f", fold, TASK, random, settings)


def test_a_tail_that_learns_whole_has_no_additions(make_settings: Callable[..., Train]) -> None:
    settings = make_settings()
    recipe = settings.finetune.model_copy(update={"lora_rank": 8})
    with pytest.raises(ValueError, match="retrain_tail"):
        make_settings(finetune=recipe, early_probe="retrain_tail")
