"""Networks from every source of weights, and refusals of what does not fit."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from timm.models import save_for_hf
from torch import nn

from histotile.backbones.build import body_digest, build_network, head, normalisation, rebuild
from histotile.config import Backbone
from histotile.errors import HistotileError
from histotile.inference.engines.torch import TorchEngine

HALF = [0.5, 0.5, 0.5]
MOBILENET = {"pad_type": "same", "pretrained_cfg_overlay": {"mean": HALF, "std": HALF}}


def backbone(name: str = "test_efficientnet", weights: str = "none", **options: object) -> Backbone:
    return Backbone(name=name, weights=weights, domain="auto", options=options)


def source_network(classes: int = 7) -> nn.Module:
    """A network whose weights are not those that every new network starts with."""
    torch.manual_seed(3)
    network = build_network(backbone(), classes, 64)[0]
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(0, 0.1)
    return network


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_file_fills_the_body_and_leaves_a_new_head(tmp_path: Path, suffix: str) -> None:
    source = source_network()
    path = tmp_path / f"weights{suffix}"
    if suffix == ".pth":
        torch.save({"state_dict": source.state_dict()}, path)
    else:
        save_file(source.state_dict(), path)
    network, _ = build_network(backbone(weights=str(path)), 2, 64)
    assert body_digest(network) == body_digest(source)
    assert head(network).out_features == 2


def test_head_of_a_file_is_dropped_even_when_its_size_fits(tmp_path: Path) -> None:
    source = source_network(classes=2)
    torch.save(source.state_dict(), tmp_path / "w.pth")
    network, _ = build_network(backbone(weights=str(tmp_path / "w.pth")), 2, 64)
    assert not torch.equal(head(network).weight, head(source).weight)


def _first_layer(vit: Any) -> torch.Tensor:
    """Weights of the first linear layer of the second block."""
    weight: torch.Tensor = vit.blocks[1].mlp.fc1.weight
    return weight


def test_folder_brings_its_own_network_and_normalisation(tmp_path: Path) -> None:
    torch.manual_seed(3)
    source, _ = build_network(backbone("test_vit", depth=2), 5, 64)
    with torch.no_grad():
        _first_layer(source).normal_()
    source.pretrained_cfg["mean"] = (0.7, 0.6, 0.5)  # type: ignore[index, operator, assignment]
    save_for_hf(source, str(tmp_path), safe_serialization=True)
    network, architecture = build_network(backbone("auto", f"local-dir:{tmp_path}"), 2, 96)
    assert architecture.name == "test_vit"
    assert architecture.arguments["depth"] == 2
    assert normalisation(network)[0] == (0.7, 0.6, 0.5)
    assert torch.equal(_first_layer(network), _first_layer(source))
    again = rebuild(architecture, 2)
    again.load_state_dict(network.state_dict())
    tiles = torch.rand(2, 3, 96, 96)
    torch.testing.assert_close(again.eval()(tiles), network.eval()(tiles))
    assert normalisation(again)[0] == (0.7, 0.6, 0.5)


def test_name_must_agree_with_the_folder(tmp_path: Path) -> None:
    save_for_hf(source_network(), str(tmp_path), safe_serialization=True)
    with pytest.raises(HistotileError, match="name: auto"):
        build_network(backbone("resnet18", f"local-dir:{tmp_path}"), 2, 64)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    state = source_network().state_dict()
    short = {k: v for k, v in state.items() if "blocks.1" not in k}
    torch.save(short, tmp_path / "short.pth")
    with pytest.raises(HistotileError, match=r"weights missing.*blocks\.1"):
        build_network(backbone(weights=str(tmp_path / "short.pth")), 2, 64)
    torch.save({**state, "extra.weight": torch.zeros(1)}, tmp_path / "long.pth")
    with pytest.raises(HistotileError, match=r"unknown weights.*extra\.weight"):
        build_network(backbone(weights=str(tmp_path / "long.pth")), 2, 64)
    torch.save(state, tmp_path / "other.pth")
    with pytest.raises(HistotileError, match=r"does not fit|another network"):
        build_network(backbone("test_resnet", weights=str(tmp_path / "other.pth")), 2, 64)


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, ("raise SystemExit('pickled code ran')",))


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_files_that_are_not_weights_are_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"junk{suffix}"
    path.write_bytes(b"not weights at all")
    with pytest.raises(HistotileError, match="junk"):
        build_network(backbone(weights=str(path)), 2, 64)
    with pytest.raises(HistotileError, match="no such file"):
        build_network(backbone(weights=str(tmp_path / f"absent{suffix}")), 2, 64)


def test_pickled_code_never_runs(tmp_path: Path) -> None:
    torch.save({"state_dict": Bomb()}, tmp_path / "bomb.pth")
    with pytest.raises(HistotileError, match="would run code"):
        build_network(backbone(weights=str(tmp_path / "bomb.pth")), 2, 64)


@pytest.mark.parametrize(
    ("settings", "tile_px", "remedy"),
    [
        (backbone("no_such_net"), 64, "list_models"),
        (backbone("auto"), 64, "name a timm model"),
        (backbone("test_efficientnet", "imagenet"), 64, "local-dir:"),
        (backbone("auto", "hf-hub:nobody/nothing"), 64, "local-dir:"),
        (backbone("auto", "local-dir:/no/such/folder"), 64, "local-dir:/folder"),
        (backbone("auto", "shipped:nothing"), 64, "shipped:natural"),
        (backbone("test_efficientnet"), 32, "larger tiles"),
        (backbone("test_vit"), 50, "use 64"),
        (backbone("test_efficientnet", no_such_option=1), 64, "backbone.options"),
    ],
)
def test_refusals_name_their_remedy(settings: Backbone, tile_px: int, remedy: str) -> None:
    with pytest.raises(HistotileError) as caught:
        build_network(settings, 2, tile_px)
    assert remedy in caught.value.remedy


def test_fixed_input_networks_are_built_for_the_tile() -> None:
    network, architecture = build_network(backbone("test_vit"), 2, 48)
    assert architecture.arguments["img_size"] == 48
    assert network(torch.rand(1, 3, 48, 48)).shape == (1, 2)


PHOTOGRAPHS = {
    "cat.bmp": "Egyptian cat",
    "bird.bmp": "chickadee",
    "sunflower.bmp": "daisy",
    "parrot.jpg": "macaw",
    "hot_dog.jpg": "hotdog",
}


def test_real_imagenet_weights_know_photographs(shared_data: Path) -> None:
    folder = shared_data / "weights"
    path = folder / "mobilenetv2_100_in1k_from_coral_qat_uint8.pth"
    settings = backbone("mobilenetv2_100", str(path), **MOBILENET)
    network, architecture = build_network(settings, 1000, 224)
    assert architecture.mean == (0.5, 0.5, 0.5)
    state = torch.load(path, weights_only=True)
    head(network).load_state_dict({k: state[f"classifier.{k}"] for k in ("weight", "bias")})
    names = (folder / "imagenet_labels.txt").read_text().splitlines()
    offset = len(names) - 1000  # the list may begin with a background class
    engine = TorchEngine(network, architecture.mean, architecture.std, "cpu")
    for photograph, name in PHOTOGRAPHS.items():
        image = Image.open(shared_data / "photos" / photograph).convert("RGB").resize((224, 224))
        best = engine(np.asarray(image)[None])[0].argsort()[::-1][:3]
        assert any(name.lower() in names[i + offset].lower() for i in best), photograph


def test_real_headless_weights_load_with_their_batch_norm(shared_data: Path) -> None:
    path = shared_data / "weights" / "mobilenetv2_035_in1k_headless_from_tm_float32.pth"
    network, _ = build_network(backbone("mobilenetv2_035", str(path), **MOBILENET), 3, 224)
    state = torch.load(path, weights_only=True)
    assert torch.equal(network.state_dict()["bn1.running_var"], state["bn1.running_var"])
    with pytest.raises(HistotileError, match=path.name):
        build_network(backbone("mobilenetv2_100", str(path)), 3, 224)


def test_config_without_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(HistotileError, match="no timm model folder"):
        build_network(backbone("auto", f"local-dir:{tmp_path}"), 2, 64)
    (tmp_path / "config.json").write_text(json.dumps({"architecture": "test_resnet"}))
    with pytest.raises(HistotileError, match="no such file"):
        build_network(backbone("auto", f"local-dir:{tmp_path}"), 2, 64)


@pytest.mark.parametrize("kind", ["natural", "histology"])
def test_shipped_backbones_load_without_a_download(kind: str) -> None:
    network, architecture = build_network(backbone("auto", f"shipped:{kind}"), 3, 128)
    again = rebuild(architecture, 3)
    again.load_state_dict(network.state_dict())
    tiles = torch.rand(2, 3, 128, 128)
    torch.testing.assert_close(again.eval()(tiles), network.eval()(tiles))
    assert body_digest(network) == body_digest(
        build_network(backbone("auto", f"shipped:{kind}"), 2, 64)[0]
    )
