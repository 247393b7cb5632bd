"""The lectures' networks: their sizes, every activation, and the chain that other networks go."""

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from timm.models import save_for_hf
from torch import nn

from histotile.backbones.batch_norm import batch_norms
from histotile.backbones.build import body_digest, build_network, rebuild
from histotile.backbones.lecture.layers import ACTIVATIONS, Maxout
from histotile.backbones.stages import stages_of
from histotile.config import Backbone
from histotile.errors import HistotileError


def backbone(name: str, weights: str = "none", **options: Any) -> Backbone:
    return Backbone(name=name, weights=weights, domain="auto", options=options)


def parameters(network: nn.Module) -> int:
    return sum(values.numel() for values in network.parameters())


@pytest.mark.parametrize(
    "name, arguments, expected",
    [
        ("lenet5", {"in_chans": 1}, 61_706),
        ("lenet5", {"img_size": 96, "in_chans": 3, "num_classes": 4}, 860_216),
        ("cnn3", {"img_size": (96, 128), "num_classes": 4}, 50_494_212),
        ("alexnet", {}, 61_100_840),
        ("alexnet", {"num_classes": 4}, 57_020_228),
        ("vgg16", {}, 138_357_544),
        *(
            (f"resnet{depth}", {}, number)
            for depth, number in (
                *((18, 11_689_512), (34, 21_797_672), (50, 25_557_032)),
                *((101, 44_549_160), (152, 60_192_808)),
            )
        ),
    ],
)
def test_numbers_of_parameters_are_those_of_the_lectures(
    name: str, arguments: dict[str, Any], expected: int
) -> None:
    with torch.device("meta"):
        assert parameters(timm.create_model(name, **arguments)) == expected


@pytest.mark.parametrize("act_layer", ACTIVATIONS)
@pytest.mark.parametrize("name", ["lenet5", "cnn3"])
def test_each_activation_is_in_every_layer_and_passes_gradients(name: str, act_layer: str) -> None:
    network, architecture = build_network(
        backbone(name, act_layer=act_layer, batch_norm=True), 4, 48
    )
    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)][:-1]
    kind = type(ACTIVATIONS[act_layer]())
    assert sum(isinstance(m, kind) for m in network.modules()) == len(layers)
    assert len(batch_norms(network)) == len(layers)
    network(torch.randn(3, 3, 48, 48)).square().sum().backward()
    assert all(float(layer.weight.grad.norm()) > 0 for layer in layers)  # type: ignore[union-attr]
    again = rebuild(architecture, 4)
    again.load_state_dict(network.state_dict())


def test_maxout_takes_the_larger_of_two_and_doubles_its_layer() -> None:
    values = torch.tensor([[1.0, 2.0, -3.0, -4.0]])
    assert Maxout()(values).tolist() == [[2.0, -3.0]]
    plain, double = (
        timm.create_model("cnn3", img_size=16, act_layer=a) for a in ("relu", "maxout")
    )
    assert double.blocks[1][0].weight.shape == (128, 16, 3, 3)
    assert plain.blocks[1][0].weight.shape == (64, 16, 3, 3)


@pytest.mark.parametrize("name, px", [("lenet5", 32), ("cnn3", 96), ("alexnet", 63)])
def test_a_folder_gives_the_network_back_by_name(tmp_path: Path, name: str, px: int) -> None:
    network, _ = build_network(backbone(name), 4, px)
    with torch.no_grad():
        for values in network.parameters():
            values.add_(0.01 * torch.randn_like(values))
    save_for_hf(network, str(tmp_path), safe_serialization=True, model_args={"img_size": [px, px]})
    if name == "alexnet":
        save_for_hf(network, str(tmp_path), safe_serialization=True)
    again, _ = build_network(backbone("auto", f"local-dir:{tmp_path}"), 2, px)
    assert body_digest(again) == body_digest(network)
    assert len(stages_of(again)) == {"lenet5": 3, "cnn3": 4, "alexnet": 6}[name]


@pytest.mark.parametrize(
    "name, px, options, words",
    [
        ("lenet5", 15, {}, "16 px or more"),
        ("cnn3", 7, {}, "8 px or more"),
        ("alexnet", 62, {}, "63 px or more"),
        ("lenet5", 32, {"in_chans": 1}, "3 channels"),
        ("cnn3", 32, {"act_layer": "swish"}, "none of sigmoid, tanh, relu"),
    ],
)
def test_what_they_cannot_do_is_said(
    name: str, px: int, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(HistotileError, match=words):
        build_network(backbone(name, **options), 2, px)


def test_weights_that_nobody_published_are_not_looked_for() -> None:
    with pytest.raises(HistotileError, match="no published weights of lenet5"):
        build_network(backbone("lenet5", "imagenet"), 2, 32)
