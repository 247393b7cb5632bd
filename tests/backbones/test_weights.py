"""Weights in whatever wrapping people save them: their very features, or a refusal with reason."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn

from histotile.backbones.build import body_digest, build_network
from histotile.backbones.weight_files import read_tensors
from histotile.config import Backbone
from histotile.errors import HistotileError

State = dict[str, torch.Tensor]


def network_of(seed: int, name: str = "test_efficientnet", **options: Any) -> nn.Module:
    torch.manual_seed(seed)
    network: nn.Module = timm.create_model(name, num_classes=7, **options)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(0, 0.1)
    return network


def under(prefix: str, network: nn.Module) -> State:
    return {prefix + name: tensor for name, tensor in network.state_dict().items()}


def loaded(path: Path, name: str = "test_efficientnet", tile_px: int = 64) -> nn.Module:
    settings = Backbone(name=name, weights=str(path), domain="auto", options={})
    return build_network(settings, 2, tile_px)[0]


@pytest.fixture
def keep(tmp_path: Path) -> Callable[[Any], Path]:
    """Saves content as a .pth file."""

    def save(content: Any) -> Path:
        torch.save(content, tmp_path / "w.pth")
        return tmp_path / "w.pth"

    return save


WRAPPINGS: dict[str, Callable[[nn.Module], Any]] = {
    "plain": lambda net: net.state_dict(),
    "parallel": lambda net: under("module.", net),
    "lightning": lambda net: {"state_dict": under("model.", net), "epoch": 3},
    "deep": lambda net: {"state_dict": under("model.net.backbone.", net), "loops": {}},
    "compiled": lambda net: under("module._orig_mod.", net),
    "compiled lightning": lambda net: {"state_dict": under("model._orig_mod.", net)},
    "nested": lambda net: {"model_state_dict": net.state_dict(), "optimizer": {"state": {0: {}}}},
    "twice nested": lambda net: {"checkpoint": {"model": net.state_dict()}},
    "encoder beside a loss": lambda net: {
        "state_dict": {**under("encoder.", net), "criterion.weight": torch.ones(2)}
    },
    "with a projection head": lambda net: {
        "teacher": {**under("backbone.", net), "head.mlp.0.weight": torch.ones(3, 3)}
    },
    "options beside": lambda net: {"model": net.state_dict(), "args": argparse.Namespace(lr=0.1)},
    "scores beside": lambda net: {"model": net.state_dict(), "best": np.float64(0.9)},
    "optimizer beside": lambda net: {
        "model": net.state_dict(),
        "optimizer": torch.optim.Adam(net.parameters()).state_dict(),
    },
    "student alone": lambda net: {"student": under("module.backbone.", net)},
    "own name": lambda net: under("anything.at.all.", net),
}


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_wrappings_are_taken_off(keep: Callable[[Any], Path], wrapping: str) -> None:
    source = network_of(3)
    assert body_digest(loaded(keep(WRAPPINGS[wrapping](source)))) == body_digest(source)


def test_wrappings_are_taken_off_safetensors_too(tmp_path: Path) -> None:
    source = network_of(3)
    save_file(under("module.backbone.", source), tmp_path / "w.safetensors")
    assert body_digest(loaded(tmp_path / "w.safetensors")) == body_digest(source)


@pytest.mark.parametrize(
    ("meant", "other"),
    [
        ("teacher.backbone.", "student.backbone."),
        ("teacher.module.backbone.", "student.module.backbone."),
        ("model_ema.", "model."),
        ("state_dict_ema.", "state_dict."),
        ("state_dict.module.encoder_q.", "state_dict.module.encoder_k."),
        ("module.base_encoder.", "module.momentum_encoder."),
    ],
)
def test_of_two_networks_the_one_meant_by_custom_is_taken_and_said(
    keep: Callable[[Any], Path], caplog: pytest.LogCaptureFixture, meant: str, other: str
) -> None:
    first, second = network_of(3), network_of(4)
    for content in (
        under(meant, first) | under(other, second),
        under(other, second) | under(meant, first),
    ):
        caplog.clear()
        assert body_digest(loaded(keep(content))) == body_digest(first)
        assert f"`{meant}` are used" in caplog.text


def test_of_equal_networks_nothing_is_said(
    keep: Callable[[Any], Path], caplog: pytest.LogCaptureFixture
) -> None:
    source = network_of(3)
    twins = under("online.", source) | under("target.", source)
    assert body_digest(loaded(keep(twins))) == body_digest(source)
    assert not caplog.text


@pytest.mark.parametrize(
    "names", [("a.", "b."), ("online.", "target."), ("models.0.", "models.1.")]
)
def test_of_two_networks_none_is_guessed(
    keep: Callable[[Any], Path], names: tuple[str, str]
) -> None:
    content = under(names[0], network_of(3)) | under(names[1], network_of(4))
    with pytest.raises(HistotileError, match="2 networks that all fit") as caught:
        loaded(keep(content))
    assert all(f"`{name}`" in caught.value.fact for name in names)


def _quantised(state: State) -> State:
    return {k: (v * 100).to(torch.int8) if v.is_floating_point() else v for k, v in state.items()}


def _diverged(state: State) -> State:
    return {**state, "conv_stem.weight": state["conv_stem.weight"] * torch.nan}


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_quantised, "int8"),
        (_diverged, "no finite numbers"),
        (lambda state: {k: v for k, v in state.items() if "blocks.1" not in k}, "missing"),
        (lambda state: {k: v for k, v in state.items() if "running" not in k}, "missing"),
        (lambda state: {k: v for k, v in state.items() if "conv_head" not in k}, "missing"),
        (lambda state: state | {"blocks.9.weight": torch.ones(1)}, "unknown"),
        (lambda state: state | {"conv_stem.weight": torch.ones(8, 1, 3, 3)}, "other shape"),
        (lambda state: list(state.values()), "no tensors by name"),
    ],
)
def test_weights_that_would_give_wrong_features_are_refused(
    keep: Callable[[Any], Path], spoil: Callable[[State], Any], words: str
) -> None:
    with pytest.raises(HistotileError, match=words):
        loaded(keep(spoil(network_of(3).state_dict())))


def test_a_whole_network_is_refused_with_what_to_save(keep: Callable[[Any], Path]) -> None:
    with pytest.raises(HistotileError, match="would run code") as caught:
        loaded(keep(network_of(3)))
    assert "state_dict()" in caught.value.remedy


@pytest.mark.filterwarnings("ignore")
def test_a_scripted_network_is_refused_with_what_to_save(tmp_path: Path) -> None:
    scripted: Any = torch.jit.script(nn.Linear(2, 2))
    scripted.save(tmp_path / "w.pt")
    with pytest.raises(HistotileError) as caught:
        read_tensors(tmp_path / "w.pt")
    assert "state_dict()" in caught.value.remedy


@pytest.mark.parametrize("name", ["w.npz", "w.onnx", "w.h5"])
def test_files_of_other_libraries_are_named_as_such(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"PK")
    with pytest.raises(HistotileError, match="not of PyTorch"):
        read_tensors(tmp_path / name)


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "deit_tiny_patch16_224", "mixer_s32_224"])
@pytest.mark.parametrize("prefix", ["", "module.backbone."])
def test_vision_transformers_are_read_from_one_file(tmp_path: Path, name: str, prefix: str) -> None:
    source = network_of(3, name)
    save_file(under(prefix, source), tmp_path / "w.safetensors")
    assert body_digest(loaded(tmp_path / "w.safetensors", name, 224)) == body_digest(source)


def test_positions_are_resampled_to_the_tile_and_nothing_else(tmp_path: Path) -> None:
    source = network_of(3, "test_vit", img_size=160)
    torch.save({"teacher": under("backbone.", source)}, tmp_path / "w.pth")
    network = loaded(tmp_path / "w.pth", "test_vit", 96)
    expected = timm.create_model("test_vit", img_size=96)
    filtered = timm.models.vision_transformer.checkpoint_filter_fn(source.state_dict(), expected)
    own = network.state_dict()
    assert own["pos_embed"].shape != source.state_dict()["pos_embed"].shape
    for key, tensor in filtered.items():
        assert key.startswith("head.") or torch.equal(own[key], tensor), key


def test_patches_of_another_size_are_not_resampled_without_a_word(tmp_path: Path) -> None:
    source = network_of(3, "vit_tiny_patch16_224", patch_size=32)
    torch.save(source.state_dict(), tmp_path / "w.pth")
    with pytest.raises(HistotileError, match=r"patch_embed.*\(192, 3, 32, 32\)"):
        loaded(tmp_path / "w.pth", "vit_tiny_patch16_224", 224)


def test_a_masked_autoencoder_gives_its_encoder(tmp_path: Path) -> None:
    source = network_of(3, "vit_tiny_patch16_224")
    decoder = {"mask_token": torch.ones(1, 1, 8), "decoder_embed.weight": torch.ones(8, 192)}
    torch.save({"model": source.state_dict() | decoder}, tmp_path / "w.pth")
    network = loaded(tmp_path / "w.pth", "vit_tiny_patch16_224", 224)
    assert body_digest(network) == body_digest(source)


@pytest.mark.parametrize(
    ("name", "weights", "guess"),
    [
        ("resnet81", "none", "resnet18"),
        ("ResNet-50", "none", "resnet50"),
        ("resnet18.a1_in1kk", "imagenet", "resnet18.a1_in1k"),
        ("resnet18", "imagnet", "imagenet"),
        ("resnet18", "ImageNet", "imagenet"),
        ("auto", "shiped:natural", "shipped:natural"),
        ("auto", "shipped:histolgy", "shipped:histology"),
        ("resnet18", "{folder}/wieghts.pth", "weights.pth"),
    ],
)
def test_slips_in_names_are_answered_with_what_was_meant(
    tmp_path: Path, name: str, weights: str, guess: str
) -> None:
    (tmp_path / "weights.pth").touch()
    settings = Backbone(
        name=name, weights=weights.format(folder=tmp_path), domain="auto", options={}
    )
    with pytest.raises(HistotileError) as caught:
        build_network(settings, 2, 64)
    assert f"did you mean '{guess}'?" in caught.value.remedy
