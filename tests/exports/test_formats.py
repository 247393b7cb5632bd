"""Each format says what the model says, loaded by its own runtime and nothing of ours."""

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import timm
import torch
from numpy.typing import NDArray
from scipy.special import softmax

from histotile.backbones.build import build_network
from histotile.config import Backbone, Export
from histotile.errors import HistotileError
from histotile.exports import timm_folder
from histotile.exports.formats import FORMATS, export_model
from histotile.exports.parity import Omission, Parity, compare
from histotile.inference.checkpoint import TrainedModel, load

Make = Callable[..., TrainedModel]
Tiles = NDArray[np.uint8]
BOTH = Export(formats=("timm", "onnx"), tolerance=1e-4, tiles=5)


@pytest.mark.parametrize("name", ["test_efficientnet", "test_vit", "lenet5", "cnn3", "alexnet"])
def test_every_format_agrees_with_the_model(
    tmp_path: Path, make_model: Make, tiles: Tiles, name: str
) -> None:
    model = make_model(name)
    results = export_model(model, tmp_path, tiles, BOTH)
    assert [r.format for r in results] == list(FORMATS)
    assert all(isinstance(r, Parity) and r.max_difference < 1e-5 for r in results)
    parity = json.loads((tmp_path / "parity.json").read_text())
    assert parity["model_id"] == model.model_id
    assert [f["tiles"] for f in parity["formats"]] == [5, 5]


@pytest.mark.parametrize("name", ["test_efficientnet", "test_vit", "cnn3"])
def test_a_network_cut_off_at_a_stage_goes_out_as_onnx_alone(
    tmp_path: Path, make_model: Make, tiles: Tiles, name: str
) -> None:
    timm_folder.write(make_model(name), tmp_path / "timm")  # it must not stay
    model = make_model(name, stage=2)
    timm_result, onnx_result = export_model(model, tmp_path, tiles, BOTH)
    assert isinstance(onnx_result, Parity) and onnx_result.max_difference < 1e-5
    assert isinstance(timm_result, Omission)
    assert not (tmp_path / "timm").exists()
    first, second = json.loads((tmp_path / "parity.json").read_text())["formats"]
    assert (first["format"], second["format"]) == ("timm", "onnx")
    assert "stage 2" in first["omitted"]


def test_timm_folder_stands_alone(tmp_path: Path, make_model: Make, tiles: Tiles) -> None:
    model = make_model("test_efficientnet")
    timm_folder.write(model, tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["config.json", "model.safetensors"]
    network = timm.create_model(f"local-dir:{tmp_path}", pretrained=True).eval()
    config = timm.data.resolve_model_data_config(network)
    assert config["input_size"] == (3, 64, 64)
    transform = timm.data.create_transform(**config, is_training=False)
    from PIL import Image

    batch = torch.stack([transform(Image.fromarray(tile)) for tile in tiles])
    with torch.inference_mode():
        logits = network(batch).numpy()
    assert compare("timm", model, logits, tiles, 1e-4).max_difference < 1e-5
    stored = json.loads((tmp_path / "config.json").read_text())
    assert stored["label_names"] == list(model.classes)
    assert stored["histotile"]["tile_mpp"] == 0.5
    assert "Research use only" in stored["histotile"]["notice"]


def test_a_folder_says_what_timm_must_import_to_know_its_network(
    tmp_path: Path, make_model: Make
) -> None:
    timm_folder.write(make_model("lenet5"), tmp_path / "ours")
    timm_folder.write(make_model("test_vit"), tmp_path / "theirs")
    module = json.loads((tmp_path / "ours/config.json").read_text())["histotile"]["import"]
    line = f"import timm, {module}; timm.create_model('local-dir:{tmp_path}/ours', pretrained=True)"
    subprocess.run([sys.executable, "-c", line], check=True)
    assert "import" not in json.loads((tmp_path / "theirs/config.json").read_text())["histotile"]


def test_a_published_architecture_agrees_in_every_format(
    tmp_path: Path, make_model: Make, tiles: Tiles
) -> None:
    small = {"embed_dim": 48, "depth": 2, "num_heads": 3, "patch_size": 16}
    backbone = Backbone(name="Virchow2", weights="none", domain="auto", options=small)
    network, architecture = build_network(backbone, 3, 64)
    model = dataclasses.replace(
        make_model("test_vit"),
        network=network.eval(),
        architecture=architecture,
        backbone=backbone.model_dump(),
    )
    results = export_model(model, tmp_path, tiles, BOTH)
    assert all(isinstance(r, Parity) and r.max_difference < 1e-5 for r in results)
    model.save(tmp_path / "model.ckpt")
    assert load(tmp_path / "model.ckpt").model_id == model.model_id


def test_the_licence_of_a_published_backbone_goes_out_with_every_format(
    tmp_path: Path, make_model: Make
) -> None:
    named = {"name": "auto", "weights": "hf-hub:MahmoodLab/UNI"}
    model = dataclasses.replace(make_model("test_vit"), backbone=named)
    for form in FORMATS.values():
        form.write(model, tmp_path)
    kept = json.loads((tmp_path / "config.json").read_text())["histotile"]
    assert "may not be handed on" in kept["backbone_licence"]
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    facts = json.loads(session.get_modelmeta().custom_metadata_map["histotile"])
    assert facts["backbone_licence"] == kept["backbone_licence"]
    assert "backbone_licence" not in make_model("test_vit").metadata()


def test_onnx_is_one_file_that_takes_any_number_of_tiles(
    tmp_path: Path, make_model: Make, tiles: Tiles
) -> None:
    model = make_model("test_efficientnet")
    FORMATS["onnx"].write(model, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["model.onnx"]
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    batch = tiles.transpose(0, 3, 1, 2).astype(np.float32) / 255
    alone = np.concatenate([session.run(None, {"tiles": t[None]})[0] for t in batch])
    np.testing.assert_allclose(session.run(None, {"tiles": batch})[0], alone, atol=1e-4)
    facts = json.loads(session.get_modelmeta().custom_metadata_map["histotile"])
    assert facts["classes"] == ["healthy", "tumour", "naïve ✓"]
    onnx.checker.check_model(str(tmp_path / "model.onnx"))


def test_a_difference_fails_the_export(make_model: Make, tiles: Tiles) -> None:
    model = make_model("test_efficientnet")
    logits = own_logits(model, tiles)
    assert compare("x", model, logits, tiles, 1e-4).max_difference == 0
    logits[2, 1] += 0.01
    own = own_logits(model, tiles)
    moved = np.abs(softmax(logits.astype(float), axis=1) - softmax(own.astype(float), axis=1)).max()
    assert compare("x", model, logits, tiles, 0.1).max_difference == pytest.approx(moved)
    with pytest.raises(HistotileError, match="values differ"):
        compare("x", model, logits, tiles, 1e-4)
    logits[0, 0] = np.nan
    with pytest.raises(HistotileError, match="values differ"):
        compare("x", model, logits, tiles, 0.1)
    with pytest.raises(HistotileError, match="shape"):
        compare("x", model, logits[:, :2], tiles, 0.1)
    with pytest.raises(HistotileError, match="no tile"):
        compare("x", model, logits[:0], tiles[:0], 0.1)


def own_logits(model: TrainedModel, tiles: Tiles) -> NDArray[np.float32]:
    from histotile.inference.engines.torch import TorchEngine

    return TorchEngine(model.network, model.mean, model.std, "cpu")(tiles)
