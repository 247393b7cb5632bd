"""Which networks leave something out while they learn."""

from typing import Any

import pytest
import timm

from histotile.backbones.build import build_network
from histotile.backbones.drop_out import drops
from histotile.config import Backbone


@pytest.mark.parametrize(
    ("name", "options", "drop"),
    [
        ("test_vit", {}, False),
        ("test_vit", {"drop_path_rate": 0.1}, True),
        ("test_vit", {"attn_drop_rate": 0.1}, True),
        ("test_efficientnet", {}, False),
        ("test_efficientnet", {"drop_rate": 0.5}, True),  # in its forward pass
        ("test_efficientnet", {"drop_path_rate": 0.2}, True),
        ("test_resnet", {}, False),
        ("test_resnet", {"drop_block_rate": 0.1}, True),
        ("swin_tiny_patch4_window7_224", {}, True),  # as timm builds it
    ],
)
def test_what_timm_leaves_out(name: str, options: dict[str, Any], drop: bool) -> None:
    assert drops(timm.create_model(name, **options)) == drop


@pytest.mark.parametrize(("name", "drop"), [("alexnet", True), ("lenet5", False)])
def test_what_lecture_networks_leave_out(name: str, drop: bool) -> None:
    backbone = Backbone(name=name, weights="none", domain="auto", options={})
    assert drops(build_network(backbone, 2, 64)[0]) == drop
