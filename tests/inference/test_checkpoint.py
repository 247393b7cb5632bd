"""Models as files: round trips, ensembles, and what is refused."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from histotile.backbones.build import build_network
from histotile.backbones.stages import truncate
from histotile.config import Backbone
from histotile.errors import HistotileError
from histotile.exports import timm_folder
from histotile.inference import checkpoint
from histotile.inference.checkpoint import TrainedModel, load, load_ensemble, load_model
from histotile.inference.model_metadata import metadata_of
from histotile.inference.onnx_export import write_onnx

Make = Callable[..., TrainedModel]


def test_file_gives_the_same_model_back(saved: Path, make_model: Make) -> None:
    original, loaded = make_model(), load(saved)
    tiles = torch.rand(2, 3, 64, 64)
    assert torch.equal(loaded.network(tiles), original.network(tiles))
    assert loaded.metadata() == original.metadata()
    assert not loaded.network.training


def test_file_needs_no_weights_from_elsewhere(tmp_path: Path, make_model: Make) -> None:
    source = make_model()
    torch.save(source.network.state_dict(), tmp_path / "pretrained.pth")
    settings = Backbone(
        name="test_efficientnet",
        weights=str(tmp_path / "pretrained.pth"),
        domain="auto",
        options={},
    )
    network, architecture = build_network(settings, 2, 64)
    fields = {**vars(source), "network": network, "architecture": architecture}
    TrainedModel(**fields).save(tmp_path / "model.ckpt")
    (tmp_path / "pretrained.pth").unlink()
    assert load(tmp_path / "model.ckpt").model_id == TrainedModel(**fields).model_id


@pytest.mark.parametrize("name", ["test_efficientnet", "test_vit"])
def test_a_network_cut_off_at_a_stage_comes_back(
    tmp_path: Path, make_model: Make, name: str
) -> None:
    settings = Backbone(name=name, weights="none", domain="auto", options={})
    whole, architecture = build_network(settings, 2, 64)
    fields = {**vars(make_model()), "architecture": replace(architecture, stages=(2,))}
    model = TrainedModel(**{**fields, "network": truncate(whole, (2,), 2).eval()})
    model.save(tmp_path / "model.ckpt")
    loaded = load(tmp_path / "model.ckpt")
    tiles = torch.rand(2, 3, 64, 64)
    assert torch.equal(loaded.network(tiles), model.network(tiles))
    assert json.dumps(loaded.metadata()) == json.dumps(model.metadata())
    assert loaded.architecture.stages == (2,)
    assert model.model_id != make_model().model_id


def test_a_network_cut_off_by_an_earlier_version_comes_back(
    tmp_path: Path, make_model: Make
) -> None:
    settings = Backbone(name="test_efficientnet", weights="none", domain="auto", options={})
    whole, architecture = build_network(settings, 2, 64)
    cut = {"network": truncate(whole, (2,), 2).eval(), "architecture": architecture}
    model = TrainedModel(**{**vars(make_model()), **cut})
    facts = model.metadata()
    del facts["architecture"]["stages"]
    facts["architecture"]["stage"] = 2
    content = {"facts": json.dumps(facts), "state_dict": model.network.state_dict()}
    torch.save(content, tmp_path / "old.ckpt")
    assert load(tmp_path / "old.ckpt").architecture.stages == (2,)


def test_files_from_before_stages_hold_whole_networks(tmp_path: Path, make_model: Make) -> None:
    model = make_model()
    facts = model.metadata()
    del facts["architecture"]["stages"]
    content = {"facts": json.dumps(facts), "state_dict": model.network.state_dict()}
    torch.save(content, tmp_path / "old.ckpt")
    assert load(tmp_path / "old.ckpt").metadata() == model.metadata()


@pytest.mark.parametrize(
    ("old", "new"), [("fixed", "linear_probe"), ("early_fixed", "early_probe"), ("init", "retrain")]
)
def test_models_of_earlier_versions_have_todays_strategy(
    tmp_path: Path, make_model: Make, old: str, new: str
) -> None:
    model = make_model(strategy=old)
    model.save(tmp_path / "old.ckpt")
    timm_folder.write(model, tmp_path / "timm")
    write_onnx(tmp_path / "old.onnx", model.graph(), model.metadata())
    for path in (tmp_path / "old.ckpt", tmp_path / "timm"):
        assert load_model(path).strategy == new
        assert load_model(path).model_id == model.model_id
    for path in (tmp_path / "old.ckpt", tmp_path / "timm", tmp_path / "old.onnx"):
        assert metadata_of(path).strategy == new


def test_model_id_names_the_weights(make_model: Make) -> None:
    assert make_model().model_id == make_model().model_id
    assert make_model().model_id != make_model(seed=1).model_id


def test_folds_load_in_order_of_number(tmp_path: Path, make_model: Make) -> None:
    for fold in (10, 2, 9):
        make_model(seed=fold).save(tmp_path / f"fold{fold}" / "model.ckpt")
    ids = [m.model_id for m in load_ensemble(tmp_path)]
    assert ids == [make_model(seed=fold).model_id for fold in (2, 9, 10)]
    assert [m.model_id for m in load_ensemble(tmp_path / "fold9")] == [ids[1]]
    assert [m.model_id for m in load_ensemble(tmp_path / "fold9" / "model.ckpt")] == [ids[1]]


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("classes", ("tumour", "healthy"), "task"),
        ("kind", "multiclass", "task"),
        ("tile_mpp", 1.0, "tile_mpp"),
        ("tile_px", 96, "tile_px"),
    ],
)
def test_members_must_agree(
    tmp_path: Path, make_model: Make, field: str, value: object, named: str
) -> None:
    make_model().save(tmp_path / "fold0" / "model.ckpt")
    make_model(**{field: value}).save(tmp_path / "fold1" / "model.ckpt")
    with pytest.raises(HistotileError, match=f"fold1.*{named}"):
        load_ensemble(tmp_path)


@pytest.mark.parametrize("name", ["test_efficientnet", "test_vit"])
def test_exported_folder_loads_as_an_ensemble_of_one(
    tmp_path: Path, make_model: Make, name: str
) -> None:
    backbone = Backbone(name=name, weights="none", domain="auto", options={})
    network, architecture = build_network(backbone, 2, 64)
    fields = {**vars(make_model()), "network": network.eval(), "architecture": architecture}
    model = TrainedModel(**fields)
    timm_folder.write(model, tmp_path)
    (loaded,) = load_ensemble(tmp_path)
    assert loaded.metadata() == model.metadata()
    loaded.save(tmp_path / "again.ckpt")
    assert load(tmp_path / "again.ckpt").model_id == model.model_id


def test_the_same_model_gives_the_same_bytes_in_any_process(
    tmp_path: Path, make_model: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, name in ((17, "a"), (123456, "b")):
        monkeypatch.setattr("os.getpid", lambda number=number: number)
        make_model().save(tmp_path / name / "model.ckpt")
    assert len({path.read_bytes() for path in tmp_path.glob("*/model.ckpt")}) == 1


def test_what_is_no_model_is_refused(tmp_path: Path, saved: Path, make_model: Make) -> None:
    with pytest.raises(HistotileError, match="neither"):
        load_ensemble(tmp_path / "empty")
    (tmp_path / "cut.ckpt").write_bytes(saved.read_bytes()[:1000])
    with pytest.raises(HistotileError, match="not a readable model"):
        load(tmp_path / "cut.ckpt")
    torch.save({"state_dict": {}}, tmp_path / "foreign.ckpt")
    with pytest.raises(HistotileError, match="did not write this model"):
        load(tmp_path / "foreign.ckpt")
    timm_folder.write(make_model(), tmp_path / "timm")
    config = tmp_path / "timm" / "config.json"
    content = json.loads(config.read_text())
    del content["histotile"]
    config.write_text(json.dumps(content))
    with pytest.raises(HistotileError, match="`histotile` section"):
        checkpoint.load_timm_folder(tmp_path / "timm")
