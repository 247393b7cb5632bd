"""Which engine runs which model: files of the same weights only, PyTorch where nothing else can."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from histotile.config import Engine
from histotile.errors import HistotileError
from histotile.exports import timm_folder
from histotile.inference import ensemble as members
from histotile.inference.checkpoint import TrainedModel
from histotile.inference.ensemble import Ensemble, Member, choose_engine, load_members
from histotile.inference.model_metadata import find_models, parse_metadata, read_metadata
from histotile.inference.onnx_export import keep_onnx

Make = Callable[..., TrainedModel]
Settings = Callable[..., Engine]
TILES = np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), np.uint8)


@pytest.fixture
def fold0(tmp_path: Path, trained: Path) -> Path:
    """A copy of that folder."""
    return Path(shutil.copytree(trained, tmp_path / "fold0"))


@pytest.mark.parametrize("name", ["openvino", "onnxruntime", "torch"])
def test_every_engine_says_the_same_of_a_fold(
    trained: Path, make_model: Make, make_engine: Settings, name: str
) -> None:
    model = make_model()
    ensemble = load_members([trained], make_engine(name), threads=1)
    (engine,) = ensemble.engines()
    assert (engine.name, engine.precision, ensemble.notes) == (name, "float32", [])
    assert ensemble.engines() == [engine]  # made once
    assert ensemble.model_ids == [model.model_id]
    with torch.inference_mode():
        mean, std = torch.tensor(model.mean), torch.tensor(model.std)
        batch = ((torch.from_numpy(TILES) / 255 - mean) / std).permute(0, 3, 1, 2)
        np.testing.assert_allclose(engine(TILES), model.network(batch), atol=1e-4)


def test_a_file_of_other_weights_is_not_used(
    fold0: Path, make_model: Make, make_engine: Settings
) -> None:
    make_model(seed=1).save(fold0 / "model.ckpt")  # trained again, and stopped before the end
    ensemble = load_members([fold0], make_engine("openvino"), threads=1)
    assert ensemble.engines()[0].name == "torch"
    (note,) = ensemble.notes
    assert "of other weights" in note
    (fold0 / "model.onnx").unlink()
    ensemble = load_members([fold0], make_engine("openvino"), threads=1)
    assert ensemble.engines()[0].name == "torch"
    assert "no model.onnx" in ensemble.notes[0]


def test_pytorch_runs_what_no_graph_can_hold(
    tmp_path: Path, make_model: Make, make_engine: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object, **__: object) -> Any:
        raise RuntimeError("no such operator\nat line 3")

    monkeypatch.setattr(torch.onnx, "export", failing)
    model = make_model()
    model.save(tmp_path / "model.ckpt")
    assert keep_onnx(tmp_path / "model.onnx", model.graph(), model.metadata())
    ensemble = load_members([tmp_path], make_engine("openvino"), threads=1)
    assert ensemble.engines()[0].name == "torch"
    assert "RuntimeError: no such operator" in ensemble.notes[0]


def test_an_exported_file_alone_is_enough(
    tmp_path: Path, fold0: Path, make_model: Make, make_engine: Settings
) -> None:
    model = make_model()
    (fold0 / "model.ckpt").unlink()
    for path in (fold0, fold0 / "model.onnx"):
        ensemble = load_members([path], make_engine("auto"), threads=1)
        assert ensemble.engines()[0].name in ("openvino", "onnxruntime")
        assert ensemble.facts.classes == model.classes
    with pytest.raises(HistotileError, match="does not run ONNX files"):
        load_members([fold0], make_engine("torch"), threads=1)
    timm_folder.write(model, tmp_path / "timm")
    ensemble = load_members([tmp_path / "timm"], make_engine("auto"), threads=1)
    assert ensemble.model_ids == [model.model_id]
    assert ensemble.engines()[0].device != "cpu" or "timm folder" in ensemble.notes[0]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"classes": ("tumour", "healthy")}, "task"),
        ({"tile_mpp": 1.0}, "tile_mpp"),
        ({"tile_px": 96}, "tile_px"),
    ],
)
def test_members_of_different_trainings_are_refused(
    tmp_path: Path, make_model: Make, make_engine: Settings, change: dict[str, Any], named: str
) -> None:
    make_model().save(tmp_path / "fold0" / "model.ckpt")
    make_model(**change).save(tmp_path / "fold1" / "model.ckpt")
    with pytest.raises(HistotileError, match=f"fold1.*{named}"):
        load_members([tmp_path], make_engine("openvino"), threads=1)


def test_engines_can_be_made_before_the_first_tiles(make_model: Make) -> None:
    made: list[str] = []

    def make(precision: str) -> Any:
        made.append(precision)

    facts = parse_metadata(make_model().metadata())
    Ensemble([Member(facts, make, "bfloat16"), Member(facts, make, "bfloat16")], 0.1).prepare()
    assert made == ["float32", "float32", "bfloat16", "bfloat16"]
    made.clear()
    Ensemble([Member(facts, make)], 0.1).prepare()
    assert set(made) == {"float32"}


def test_facts_are_read_without_the_weights(
    tmp_path: Path, trained: Path, make_model: Make
) -> None:
    model = make_model()
    timm_folder.write(model, tmp_path / "timm")
    expected = json.loads(json.dumps(model.metadata()))
    for path in (trained / "model.ckpt", trained / "model.onnx", tmp_path / "timm"):
        assert {k: v for k, v in read_metadata(path).items() if k != "notice"} == expected
    (tmp_path / "cut.ckpt").write_bytes((trained / "model.ckpt").read_bytes()[:1000])
    with pytest.raises(HistotileError, match="not a readable model"):
        read_metadata(tmp_path / "cut.ckpt")
    torch.save({"state_dict": {}}, tmp_path / "foreign.ckpt")
    with pytest.raises(HistotileError, match="did not write this model"):
        read_metadata(tmp_path / "foreign.ckpt")


def test_folds_are_found_in_order_of_number(saved: Path, tmp_path: Path) -> None:
    for number in (10, 2, 9):
        (tmp_path / f"fold{number}").mkdir()
        shutil.copy(saved, tmp_path / f"fold{number}" / "model.ckpt")
    shutil.rmtree(saved.parent)
    found = [path.parent.name for path in find_models(tmp_path)]
    assert found == ["fold2", "fold9", "fold10"]


def test_auto_takes_pytorch_on_a_gpu_and_the_quickest_to_start_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(members, "has_gpu", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_engine("auto") == "torch"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)  # PyTorch without CUDA
    assert choose_engine("auto") == "openvino"
    monkeypatch.setattr(members, "has_gpu", lambda: False)
    assert choose_engine("auto") == "openvino"
    monkeypatch.setattr(members, "_works", lambda name: name != "openvino")
    assert choose_engine("auto") == "onnxruntime"
    with pytest.raises(HistotileError, match="openvino does not run here"):
        choose_engine("openvino")
    monkeypatch.setattr(members, "_works", lambda _: False)
    assert choose_engine("auto") == choose_engine("torch") == "torch"


def test_an_engine_that_cannot_run_a_file_is_named(fold0: Path, make_engine: Settings) -> None:
    data = (fold0 / "model.onnx").read_bytes()
    (fold0 / "model.onnx").write_bytes(data.replace(b"Conv", b"Cnov"))
    ensemble = load_members([fold0], make_engine("openvino"), threads=1)
    with pytest.raises(HistotileError, match=r"model\.onnx: openvino cannot run it"):
        ensemble.engines()
