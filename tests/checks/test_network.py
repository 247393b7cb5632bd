"""The network is looked at before hours are spent on its features."""

from pathlib import Path

import pytest
import torch

from histotile.backbones.build import build_network
from histotile.checks.network import check_network
from histotile.config import Backbone
from histotile.config.yaml_file import read_config


@pytest.mark.parametrize(
    ("name", "rank", "told"),
    [
        ("test_vit", 8, ""),
        ("test_resnet", 0, ""),
        ("test_resnet", 8, "no attention"),
        ("test_vit", -8, "weights is none"),
    ],
)
def test_additions_to_attention_need_attention_that_was_trained(
    repository: Path, tmp_path: Path, name: str, rank: int, told: str
) -> None:
    """A negative rank: of random weights."""
    config = read_config(repository / "config/config.yaml")
    recipe = config.train.finetune.model_copy(update={"lora_rank": abs(rank)})
    train = config.train.model_copy(update={"finetune": recipe})
    backbone = Backbone(name=name, weights="none", domain="auto", options={})
    if rank > 0:
        network, _ = build_network(backbone, 2, 64)
        torch.save(network.state_dict(), tmp_path / "taught.pth")
        backbone = backbone.model_copy(update={"weights": str(tmp_path / "taught.pth")})
    tile = config.tile.model_copy(update={"tile_px": 64})
    changes = {"backbone": backbone, "train": train, "tile": tile}
    found = check_network(config.model_copy(update=changes))
    assert len(found) == bool(told)
    assert told in " ".join(map(str, found))
    retrained = train.model_copy(update={"strategy": "retrain"})  # asks for no additions
    assert not check_network(config.model_copy(update=changes | {"train": retrained}))
