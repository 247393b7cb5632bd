"""Words of earlier versions: errors that name the new ones, and settings of their own files."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from histotile.cli import cli
from histotile.config import Config, Synthetic
from histotile.config.renamed import GONE, KEYS, STRATEGIES, VERBS
from histotile.config.yaml_file import read_config, read_synthetic, render
from histotile.errors import HistotileError


@pytest.fixture
def config(repository: Path) -> Path:
    return repository / "config" / "config.yaml"


def told(config: Path, overlay: Path, text: str) -> str:
    overlay.write_text(text)
    with pytest.raises(HistotileError) as caught:
        read_config(config, overlay)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("control: {max_tiles: 64}", "`control` is now `baseline`"),
        ("train: {init: {sgd_rate: 0.1}}", "`train.init` is now `train.retrain`"),
        ("decide: {similarity: {depth_tolerance: 0.005}}", "is now `stage_tolerance`"),
        ("train: {early_fixed: truncate}", "`train.early_fixed` is now `train.early_probe`"),
        (
            "train: {retrain: {sgd_rate: 0.1}}",
            "`train.retrain.sgd_rate` is now `train.retrain.sgd_lr`",
        ),
        ("train: {finetune: {optimiser: sgd}}", "is now `train.finetune.optimizer`"),
        ("train: {strategy: fixed}", "'fixed' is now linear_probe"),
        ("train: {strategy: init}", "'init' is now retrain"),
        ("train: {patience: 0.25}", "`train.patience`: 0.25 is no whole number"),
        ("train: {patience: 1.0}", "`train.patience`: 1.0 is no whole number"),
        ("baseline: {ruler: r.json}", "`baseline.ruler` is gone"),
        ("synthesize: {slides: 3}", "`synthesize` now stands in config/synthetic.yaml"),
    ],
)
def test_old_settings_are_told_their_new_name(
    tmp_path: Path, config: Path, text: str, words: str
) -> None:
    assert words in told(config, tmp_path / "mine.yaml", text)


def test_each_new_name_exists_and_no_old_one_does(config: Path) -> None:
    schemas = str([Config.model_json_schema(), Synthetic.model_json_schema()])
    for old, new in {**KEYS, **STRATEGIES}.items():
        assert f"'{new}'" in schemas and f"'{old}'" not in schemas
    assert not set(GONE) & set(Config.model_fields)
    for old, sentence in VERBS.items():
        assert old not in cli.commands
        assert "gone" in sentence or sentence.split("`")[1] in cli.commands


@pytest.mark.parametrize("old", VERBS)
def test_old_verbs_are_told_their_new_name(old: str) -> None:
    done = CliRunner().invoke(cli, [old, "x"])
    assert done.exit_code == 2
    assert f"`{old}` {VERBS[old]}" in done.output


def test_old_keys_of_set_are_told_their_new_name() -> None:
    words = ["pretrain", "natural", "out", "--set", "learning_rate=0.1"]
    done = CliRunner().invoke(cli, words)
    assert "did you mean `lr`?" in str(done.exception)


def test_settings_of_synthetic_slides_are_read_by_their_verbs_alone(
    tmp_path: Path, repository: Path, config: Path
) -> None:
    shipped = repository / "config" / "synthetic.yaml"
    assert render(read_synthetic(shipped)) == shipped.read_text()
    overlay = tmp_path / "few.yaml"
    overlay.write_text("synthesize: {slides: 3}")
    assert read_synthetic(shipped, overlay).synthesize.slides == 3
    overlay.write_text("tile: {mpp: 1}")
    with pytest.raises(HistotileError, match="unknown key `tile`"):
        read_synthetic(shipped, overlay)
    help_text = CliRunner().invoke(cli, ["synthesize", "--help"]).output
    assert "tumour_share=" in help_text
