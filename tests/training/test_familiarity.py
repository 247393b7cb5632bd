"""What training remembers, where it ends up, and what it says of slides seen later."""

import csv
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from histotile.backbones.stages import WithFeatures, stages_of, truncate
from histotile.cli import cli
from histotile.config import Backbone, Train
from histotile.config import Engine as EngineSettings
from histotile.exports import onnx, timm_folder
from histotile.inference.checkpoint import load
from histotile.inference.ensemble import Ensemble, load_members
from histotile.inference.predict import predict_slide
from histotile.io import tables
from histotile.tasks.registry import make_task
from histotile.training.familiarity import remember
from histotile.training.job import FoldSlide, Job, Machine, Run, gather_tiles
from histotile.training.strategies.linear_probe import train_fixed
from histotile.training.train_fold import train_fold
from histotile.trust.judging import FLAGS

CLASSES = ("healthy", "tumour")
TASK = make_task(CLASSES)


@pytest.fixture(scope="module")
def folder(
    tmp_path_factory: pytest.TempPathFactory,
    fold_files: Sequence[FoldSlide],
    tiny_backbone: Backbone,
) -> Path:
    """A fold trained with a frozen backbone, to be used elsewhere; read only."""
    found = tmp_path_factory.mktemp("remembered") / "fold0"
    train_fold(found, fold_files, TASK, tiny_backbone, _settings(), Run(portable=True))
    return found


def _settings() -> Train:
    from histotile.config.yaml_file import read_config

    config = read_config(Path(__file__).parents[2] / "config" / "config.yaml")
    return config.train.model_copy(update={"strategy": "linear_probe", "max_tiles_per_slide": 16})


@pytest.fixture
def load_by(make_engine: Callable[..., EngineSettings]) -> Callable[..., Ensemble]:
    def make(path: Path, engine: str = "onnxruntime") -> Ensemble:
        return load_members([path], make_engine(engine))

    return make


def test_checkpoint_and_onnx_carry_the_same(folder: Path, load_by: Callable[..., Ensemble]) -> None:
    by_torch = load(folder / "model.ckpt").taught
    by_onnx = load_by(folder / "model.onnx").facts.taught
    assert by_torch is not None
    assert by_onnx is not None
    assert by_onnx.slide == by_torch.slide
    np.testing.assert_array_equal(by_onnx.features.basis, by_torch.features.basis)
    assert (by_torch.patients, by_torch.false_alarms) == (7, None)


@pytest.mark.parametrize("engine", ["torch", "onnxruntime", "openvino"])
def test_tiles_and_slide_have_distance_and_flag(
    folder: Path, load_by: Callable[..., Ensemble], make_slide: Callable[..., Path], engine: str
) -> None:
    found = predict_slide(make_slide("new", seed=50), load_by(folder, engine))
    columns = found.columns
    assert columns["distance"].dtype == np.float32
    assert np.isfinite(columns["distance"]).all()
    assert set(columns["familiarity"].tolist()) <= set(FLAGS)
    told = found.facts["familiarity"]
    assert told["flag"] != "foreign"
    assert sum(told["tiles"].values()) == len(columns["tile_id"])


def test_another_tissue_is_foreign_also_to_exported_models(
    folder: Path, tmp_path: Path, load_by: Callable[..., Ensemble], smooth: Path
) -> None:
    model = load(folder / "model.ckpt")
    onnx.write(model, tmp_path / "onnx")
    timm_folder.write(model, tmp_path / "timm")
    found = [
        predict_slide(smooth, load_by(path, engine)).facts["familiarity"]
        for path, engine in (
            (folder, "openvino"),
            (tmp_path / "onnx", "onnxruntime"),
            (tmp_path / "timm", "torch"),
        )
    ]
    assert [told["flag"] for told in found] == ["foreign"] * 3
    distances = [told["distance"] for told in found]
    assert max(distances) / min(distances) < 1.05


@pytest.fixture
def smooth(tmp_path: Path, make_slide: Callable[..., Path]) -> Path:
    """The table of a slide of one colour almost."""
    import tifffile

    table = make_slide("smooth")
    rng = np.random.default_rng(0)
    rgb = (200 + rng.integers(0, 3, (256, 512, 3))).astype(np.uint8)
    tifffile.imwrite(
        tmp_path / "smooth.tiff", rgb, tile=(64, 64), photometric="rgb", compression="zlib"
    )
    return table


def test_cached_features_and_the_network_itself_are_remembered_alike(
    tmp_path: Path, fold_files: Sequence[FoldSlide], tiny_backbone: Backbone
) -> None:
    settings = _settings()
    fold = gather_tiles(fold_files, TASK, 16, 0)
    job = Job(tmp_path, fold, tiny_backbone, settings, Machine(), "linear_probe", ())
    outcome = train_fixed(job)
    assert outcome.cached
    cached, computed = remember(job, outcome)[0], remember(job, replace(outcome, cached=False))[0]
    assert cached is not None
    assert computed is not None
    np.testing.assert_allclose(computed.features.centre, cached.features.centre, atol=0.01)
    assert computed.slide.features == pytest.approx(cached.slide.features, rel=0.1)
    assert computed.looks is None  # these tables know no colours


def test_a_model_without_memories_says_unknown(
    trained: Path, load_by: Callable[..., Ensemble], make_slide: Callable[..., Path]
) -> None:
    found = predict_slide(make_slide("new"), load_by(trained))
    assert found.facts["familiarity"]["flag"] == "unknown"
    assert np.isnan(found.columns["distance"]).all()
    assert set(found.columns["familiarity"]) == {"unknown"}


@pytest.mark.parametrize("stage", [2, None])
def test_both_outputs_are_the_networks_own(tiny_backbone: Backbone, stage: int | None) -> None:
    import torch

    from histotile.backbones.build import build_network, head

    network: Any = build_network(tiny_backbone, 2, 64)[0].eval()
    network = truncate(network, [stage or len(stages_of(network))], 2).eval()
    seen: list[torch.Tensor] = []
    head(network).register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    tiles = torch.rand(3, 3, 64, 64)
    with torch.inference_mode():
        logits, features = WithFeatures(network)(tiles)
        torch.testing.assert_close(logits, network(tiles))
    torch.testing.assert_close(features, seen[-1])


def test_slides_that_cannot_be_read_cost_no_training(
    tmp_path: Path,
    fold_files: Sequence[FoldSlide],
    tiny_backbone: Backbone,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from histotile.errors import HistotileError
    from histotile.training import familiarity

    def fail(*_: Any, **__: Any) -> None:
        raise HistotileError("s0.tiff", "is gone", "bring it back")

    monkeypatch.setattr(familiarity, "_read", fail)
    summary = train_fold(tmp_path, fold_files, TASK, tiny_backbone, _settings(), Run(portable=True))
    assert "is gone" in summary["taught"]
    assert load(tmp_path / "model.ckpt").taught is None


def test_the_prediction_table_holds_them(
    folder: Path, tmp_path: Path, load_by: Callable[..., Ensemble], make_slide: Callable[..., Path]
) -> None:
    found = predict_slide(make_slide("new"), load_by(folder))
    path = tmp_path / "p.parquet"
    schema = tables.prediction_schema(found.task.columns)
    tables.write_table(path, found.columns, schema, found.facts)
    table = tables.read_table(path)
    assert table["familiarity"].to_pylist() == found.columns["familiarity"].tolist()
    assert tables.read_footer(path)["familiarity"]["distance"] == pytest.approx(
        found.facts["familiarity"]["distance"]
    )


def test_the_terminal_and_the_table_of_slides_announce_it(
    folder: Path, tmp_path: Path, smooth: Path
) -> None:
    predictions = tmp_path / "predict" / "smooth.parquet"
    line = ["predict", str(folder), str(smooth), "-o", str(predictions)]
    done = CliRunner().invoke(cli, line, catch_exceptions=False)
    assert "Attention: smooth is foreign to the model" in done.output
    cohort, slides = tmp_path / "slides.csv", tmp_path / "scores.csv"
    cohort.write_text(f"slide_id,path\nsmooth,{tmp_path / 'smooth.tiff'}\n")
    line = ["aggregate", str(predictions.parent), "--cohort", str(cohort), "--slides", str(slides)]
    CliRunner().invoke(cli, [*line, "--classes", ",".join(CLASSES)], catch_exceptions=False)
    (row,) = csv.DictReader(slides.read_text().splitlines())
    assert row["familiarity"] == "foreign"
    assert float(row["distance"]) > 1
