"""The whole check says why there is no forecast."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from PIL import Image

from histotile.cli import cli


@pytest.fixture
def tiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cohort of ready-made tiles, six patients of each class."""
    rng = np.random.default_rng(0)
    for number in range(12):
        for label in ("healthy", "tumour"):
            folder = tmp_path / f"tiles/p{number}/{label}"
            folder.mkdir(parents=True)
            pixels = rng.integers(0, 255, (96, 96, 3), np.uint8)
            Image.fromarray(pixels).save(folder / "0.png")
    monkeypatch.chdir(tmp_path)
    settings = {
        "cohort": "tiles",
        "classes": ["healthy", "tumour"],
        "backbone": {"name": "auto", "weights": "shipped:histology"},
        "tile": {"mpp": 0.5, "tile_px": 96},
        "split": {"folds": 2},
    }
    Path("mine.yaml").write_text(yaml.safe_dump(settings))
    return tmp_path


def check(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(cli, ["--config", "mine.yaml", "check", *words])
    return done.exit_code, done.stdout


def test_of_ready_made_tiles_no_forecast_is_made_and_that_is_said(tiles: Path) -> None:
    status, text = check()
    assert status == 0, text
    assert "No forecast: the tiles are images of their own" in text
    found = json.loads(check("--json")[1])
    assert found["forecast"] is None and "images of their own" in found["no_forecast"]


def test_one_that_was_not_asked_for_or_cannot_be_made_has_its_reason(tiles: Path) -> None:
    assert "it was not asked for" in check("--no-forecast")[1]
    with Path("mine.yaml").open("a") as file:
        file.write("results: mine.yaml/results\n")
    status, text = check("--json")
    assert status == 2 and json.loads(text)["no_forecast"] == "errors stand in its way"


def test_licence_and_scale_of_a_published_backbone_are_told_before_the_first_job(
    tiles: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def download(*_: object, **__: object) -> str:
        raise FileNotFoundError("no network")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    settings = yaml.safe_load(Path("mine.yaml").read_text())
    settings["backbone"] = {"name": "auto", "weights": "hf-hub:MahmoodLab/UNI"}
    settings["tile"]["mpp"] = 1.0
    Path("mine.yaml").write_text(yaml.safe_dump(settings))
    found = json.loads(check("--json")[1])
    told = {warning["where"]: warning["fact"] for warning in found["warnings"]}
    assert "CC-BY-NC-ND-4.0" in told["backbone"]
    assert "trained on 224 px at 0.5 um/px" in told["tile.mpp"]
