"""The backbone's file gives the features that PyTorch gives, for the backbone it was made of."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from histotile.config import Augment, Backbone, Embed, Engine
from histotile.errors import HistotileError
from histotile.inference.backbone_onnx import write_backbone
from histotile.inference.embed import embed_slides, load_embedder
from histotile.inference.ensemble import load_members
from histotile.io.features import FeatureFile, read_features

Settings = Callable[..., Engine]


Features = Callable[..., FeatureFile]


@pytest.fixture
def features(light: Augment) -> Features:
    """Features of a slide's tiles and of a view, by the engine that the settings name."""

    def run(
        table: Path,
        backbone: Backbone,
        settings: Engine,
        network: Path | None,
        size: int | None = None,
    ) -> FeatureFile:
        embedder = load_embedder(backbone, 64, settings, network, threads=1)
        ((found, profiler),) = embed_slides([table], embedder, Embed(views=1, seed=0), light, size)
        assert profiler.tiles == len(found.tile_ids)
        return found

    return run


@pytest.fixture(scope="module")
def tiny_file(tmp_path_factory: pytest.TempPathFactory, tiny_backbone: Backbone) -> Path:
    """The file of `tiny_backbone`, for tiles of 64 px."""
    file = tmp_path_factory.mktemp("tiny") / "backbone.onnx"
    assert write_backbone(file, tiny_backbone, 64) == ""
    return file


def same(found: FeatureFile, expected: FeatureFile) -> None:
    assert found.stages == expected.stages
    assert found.facts == expected.facts
    np.testing.assert_array_equal(found.coords, expected.coords)
    np.testing.assert_array_equal(found.tile_ids, expected.tile_ids)
    for view in (None, 0):
        for stage in expected.stages:
            ours, theirs = (f.of_stage(stage.number, view) for f in (found, expected))
            scale = float(np.abs(theirs).max())
            np.testing.assert_allclose(
                ours.astype(float), theirs.astype(float), rtol=2e-3, atol=1e-3 * scale
            )


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("test_resnet", "none"),
        pytest.param("test_vit", "none", marks=pytest.mark.slow),
        ("auto", "shipped:natural"),
    ],
)
def test_every_engine_gives_the_same_features(
    tmp_path: Path,
    make_slide: Callable[..., Path],
    make_engine: Settings,
    features: Features,
    name: str,
    weights: str,
) -> None:
    backbone = Backbone(name=name, weights=weights, domain="auto", options={})
    file = tmp_path / "backbone.onnx"
    assert write_backbone(file, backbone, 64) == ""
    table = make_slide("s")
    expected = features(table, backbone, make_engine("torch"), None)
    assert float(expected.features.std()) > 1e-3
    for engine in ("openvino", "onnxruntime"):
        same(features(table, backbone, make_engine(engine), file), expected)
        same(features(table, backbone, make_engine(engine), file, 5), expected)
    by_torch = features(table, backbone, make_engine("torch"), file)  # which builds it as ever
    np.testing.assert_array_equal(by_torch.features, expected.features)


def test_a_file_of_another_backbone_or_tile_size_is_refused(
    tiny_file: Path, tiny_backbone: Backbone, make_engine: Settings
) -> None:
    with pytest.raises(HistotileError, match=r"backbone\.onnx: holds tile_px 64, asked for is 96"):
        load_embedder(tiny_backbone, 96, make_engine("openvino"), tiny_file)
    other = tiny_backbone.model_copy(update={"name": "test_resnet"})
    with pytest.raises(HistotileError, match="histotile backbone"):
        load_embedder(other, 64, make_engine("openvino"), tiny_file)
    with pytest.raises(HistotileError, match=r"backbone\.onnx: is no trained model"):
        load_members([tiny_file], make_engine("openvino"))


def test_pytorch_embeds_by_what_no_graph_can_hold(
    tmp_path: Path,
    make_slide: Callable[..., Path],
    tiny_backbone: Backbone,
    make_engine: Settings,
    light: Augment,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def failing(*_: object, **__: object) -> Any:
        raise RuntimeError("no such operator")

    monkeypatch.setattr(torch.onnx, "export", failing)
    file = tmp_path / "backbone.onnx"
    assert "no such operator" in write_backbone(file, tiny_backbone, 64)
    embedder = load_embedder(tiny_backbone, 64, make_engine("openvino"), file, threads=1)
    assert embedder.engine.name == "torch"
    assert "no such operator" in embedder.note
    ((found, _),) = embed_slides([make_slide("s")], embedder, Embed(views=0, seed=0), light)
    assert len(found.tile_ids) == 32


def test_embed_needs_no_pytorch(
    tmp_path: Path,
    make_slide: Callable[..., Path],
    tiny_backbone: Backbone,
    make_engine: Settings,
    run_verb: Callable[..., str],
    tiny_file: Path,
) -> None:
    tables = [make_slide("s"), make_slide("t", seed=1)]
    words = ["--backbone", tiny_backbone.model_dump_json(), "--network", str(tiny_file)]
    words += ["--engine", make_engine("auto").model_dump_json(), "--threads", "1"]
    words += ["--settings", json.dumps({"views": 0, "seed": 0})]
    if torch.cuda.is_available():
        pytest.skip("on a GPU PyTorch embeds")
    out, timing = tmp_path / "s.h5", tmp_path / "s.timing.json"
    said = run_verb("embed", str(tables[0]), *words, "-o", str(out), "--timing", str(timing))
    assert "imported []" in said
    assert "openvino on cpu, float32" in said
    noted = json.loads(timing.read_text())
    assert (noted["tiles"], noted["engine"], noted["precision"]) == (32, "openvino", "float32")
    assert noted["start_s"] > 0
    # Several slides in one process give the same files.
    folder = str(tmp_path / "many")
    run_verb("embed", *map(str, tables), *words, "-o", folder, "--timing", folder)
    assert sorted(p.name for p in Path(folder).iterdir()) == [
        "s.h5",
        "s.timing.json",
        "t.h5",
        "t.timing.json",
    ]
    alone, together = (read_features(p) for p in (out, Path(folder) / "s.h5"))
    np.testing.assert_array_equal(alone.features, together.features)
