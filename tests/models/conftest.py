"""Tiny networks and tables for the models room."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch

from histotile import tables
from histotile.config import Augment, Backbone, Embed, Engine, Recipe, Train
from histotile.features import FeatureFile
from histotile.models.backbones import build_network
from histotile.models.checkpoint import TrainedModel
from histotile.models.embedding import embed_slide
from histotile.models.fold import FoldSlide
from histotile.models.members import Ensemble, member_of
from histotile.models.onnx_writer import keep_onnx


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.fixture(scope="session")
def tiny_backbone() -> Backbone:
    """A timm network of 100,000 random weights."""
    return Backbone(name="test_efficientnet", weights="none", domain="auto", options={})


@pytest.fixture(scope="session")
def make_model(tiny_backbone: Backbone) -> Callable[..., TrainedModel]:
    """Trained models with random weights; keywords replace fields."""

    def make(seed: int = 0, **fields: object) -> TrainedModel:
        network, architecture = build_network(tiny_backbone, 2, 64)
        torch.manual_seed(seed)
        with torch.no_grad():  # spread the logits, so that probabilities differ visibly
            network.get_classifier().weight.normal_()  # type: ignore[operator]
        plain: dict[str, object] = {
            "classes": ("healthy", "tumour"),
            "tile_mpp": 0.5,
            "tile_px": 64,
            "strategy": "fixed",
            "backbone": tiny_backbone.model_dump(),
            "settings": {"seed": 0},
        }
        return TrainedModel(network.eval(), architecture, **(plain | fields))  # type: ignore[arg-type]

    return make


@pytest.fixture
def make_engine() -> Callable[..., Engine]:
    """Section `engine`, by the engine's name."""

    def make(name: str = "torch", precision: Any = "float32", bound: float = 0.005) -> Engine:
        given: Any = name
        return Engine(name=given, precision=precision, max_difference=bound, compile=False)

    return make


@pytest.fixture
def judges(make_engine: Callable[..., Engine]) -> Callable[..., Ensemble]:
    """Models in memory as an ensemble run by PyTorch, in 32-bit floats unless told otherwise."""

    def make(
        *models: TrainedModel,
        threads: int | None = None,
        reduced: str | None = None,
        bound: float = 0.005,
    ) -> Ensemble:
        settings = make_engine(bound=bound)
        members = [member_of(model, settings, threads) for model in models]
        return Ensemble([replace(m, reduced=reduced) for m in members], settings.max_difference)

    return make


@pytest.fixture
def saved(tmp_path: Path, make_model: Callable[..., TrainedModel]) -> Path:
    """A model.ckpt file."""
    path = tmp_path / "saved" / "model.ckpt"
    make_model().save(path)
    return path


@pytest.fixture(scope="session")
def trained(
    tmp_path_factory: pytest.TempPathFactory, make_model: Callable[..., TrainedModel]
) -> Path:
    """Folder of a fold whose model `make_model` gives: checkpoint and ONNX file; read only."""
    folder, model = tmp_path_factory.mktemp("train") / "fold0", make_model()
    model.save(folder / "model.ckpt")
    assert keep_onnx(folder / "model.onnx", model.graph(), model.facts()) == ""
    return folder


@pytest.fixture
def make_slide(tmp_path: Path) -> Callable[..., Path]:
    """Writes slides and their tables; see `_write_slide`."""
    return partial(_write_slide, tmp_path)


def _write_slide(folder: Path, name: str, seed: int = 0, **changes: Any) -> Path:
    """A slide of 256 x 512 px, coarse texture on its left half, fine on its right; its table.

    Both halves have the same mean colour; 32 tiles of 64 px at 0.5 um/px.
    """
    rng = np.random.default_rng(seed)
    coarse = rng.integers(60, 240, (32, 32, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    fine = rng.integers(60, 240, (256, 256, 3), np.uint8)
    path = folder / f"{name}.tiff"
    rgb = np.concatenate([coarse, fine], axis=1)
    tifffile.imwrite(path, rgb, tile=(64, 64), photometric="rgb", compression="zlib")
    y, x = (a.ravel().astype(np.int32) for a in np.mgrid[0:256:64, 0:512:64])
    columns: dict[str, Any] = {column: [None] * 32 for column in tables.TILES.names}
    columns |= {"tile_id": np.arange(32), "x": x, "y": y}
    columns["label"] = np.where(x < 256, "healthy", "tumour")
    facts = {"slide_id": name, "path": str(path), "mpp": 0.5, "tile_mpp": 0.5, "tile_px": 64}
    facts |= {"size_level0_px": 64.0}
    facts |= {key: changes.pop(key) for key in list(changes) if key in facts}
    table = folder / f"{name}.parquet"
    tables.write_table(table, columns | changes, tables.TILES, facts)
    return table


@pytest.fixture(scope="session")
def light() -> Augment:
    """Light random changes."""
    return Augment(
        orientation="d4",
        resized_crop="light",
        perspective="off",
        colour="light",
        stain="light",
        erasing="off",
    )


_RUN = """
import sys
from histotile.cli import cli
cli.main(sys.argv[1:], standalone_mode=False)
heavy = {"torch", "timm", "pytorch_lightning", "sklearn", "torchvision", "onnx"}
print("imported", sorted(heavy & set(sys.modules)))
"""


@pytest.fixture(scope="session")
def run_verb() -> Callable[..., str]:
    """Runs a verb in a process of its own: what it prints, then heavy modules it imported."""

    def run(*words: str) -> str:
        line = [sys.executable, "-c", _RUN, *words]
        done = subprocess.run(line, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="session")
def embed(light: Augment) -> Callable[..., FeatureFile]:
    """Features of a slide's tiles by a backbone; `views` of them with other colours."""

    def run(table: Path, backbone: Backbone, views: int = 0, batch_size: int = 32) -> FeatureFile:
        settings = Embed(views=views, seed=0)
        return embed_slide(table, backbone, settings, light, batch_size)

    return run


@pytest.fixture(scope="session")
def fold_files(
    tmp_path_factory: pytest.TempPathFactory,
    tiny_backbone: Backbone,
    embed: Callable[..., FeatureFile],
) -> tuple[FoldSlide, ...]:
    """The slides of `fold`, made once: tests read them and change none."""
    return _write_fold(tmp_path_factory.mktemp("fold"), tiny_backbone, embed)


def _write_fold(
    folder: Path, backbone: Backbone, embed: Callable[..., FeatureFile]
) -> tuple[FoldSlide, ...]:
    """Five training patients and two for val: slides, tables and feature files in a folder."""
    slides = []
    for number in range(7):
        name = f"s{number}"
        table = _write_slide(folder, name, seed=number)
        features = folder / f"{name}.h5"
        embed(table, backbone).write(features)
        role = "train" if number < 5 else "val"
        slides.append(FoldSlide(name, f"p{number}", role, table, features))  # type: ignore[arg-type]
    return tuple(slides)


@pytest.fixture
def fold(fold_files: tuple[FoldSlide, ...]) -> list[FoldSlide]:
    """Five training patients and two for val, one slide each, embedded."""
    return list(fold_files)


@pytest.fixture
def own_fold(
    tmp_path: Path, tiny_backbone: Backbone, embed: Callable[..., FeatureFile]
) -> list[FoldSlide]:
    """As `fold`, for a test that takes its files away."""
    return list(_write_fold(tmp_path, tiny_backbone, embed))


@pytest.fixture
def make_settings() -> Callable[..., Train]:
    """Section `train` for seconds of computing; keywords replace keys, `rate` that of AdamW."""

    def make(rate: float = 1e-3, **changes: Any) -> Train:
        recipe = Recipe(
            optimiser="adamw",
            sgd_rate=0.003,
            adamw_rate=rate,
            sgd_decay=1e-4,
            adamw_decay=0.01,
            layer_decay=0.75,
        )
        plain: dict[str, Any] = {
            "strategy": "fixed",
            "augment": Augment(
                orientation="d4",
                resized_crop="off",
                perspective="off",
                colour="light",
                stain="off",
                erasing="off",
            ),
            "early_fixed": "truncate",
            "finetune": recipe,
            "init": recipe.model_copy(update={"layer_decay": 1.0}),
            "max_tiles_per_slide": 16,
            "class_weights": True,
            "epochs": 4,
            "min_steps": 0,
            "patience": 1.0,
            "batch_size": 16,
            "precision": "32",
            "tensorboard": False,
            "seed": 0,
        }
        return Train(**(plain | changes))

    return make
