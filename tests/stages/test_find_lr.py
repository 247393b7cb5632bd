"""What `find-lr` writes and says."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.models import *  # noqa: F403
from histotile.config import Backbone, Train
from histotile.errors import HistotileError
from histotile.stages import find_lr
from histotile.stages.folds import Inputs, Network
from histotile.tasks.registry import make_task
from histotile.training.job import FoldSlide, Machine
from histotile.training.lr_finder import RangeTest


@pytest.fixture
def inputs(tmp_path: Path, fold: list[FoldSlide]) -> Inputs:
    """Tiles of a fold; those of its test patient are nowhere to be read."""
    rows = [f"0,{s.slide_id},{s.patient_id},,,{s.role}" for s in fold]
    rows.append("0,tested,p9,,,test")
    assert not (fold[0].tiles.parent / "tested.parquet").exists()
    table = tmp_path / "folds.csv"
    table.write_text("\n".join(["fold,slide_id,patient_id,site,label,role", *rows]) + "\n")
    return Inputs(table, "fold0", fold[0].tiles.parent)


@pytest.fixture
def network(tiny_backbone: Backbone) -> Network:
    return Network(tiny_backbone, make_task(("healthy", "tumour")))


@pytest.mark.parametrize("strategy", ["finetune", "retrain"])
def test_it_writes_the_curve_and_says_where_the_rate_goes(
    tmp_path: Path,
    inputs: Inputs,
    network: Network,
    make_settings: Callable[..., Train],
    capsys: pytest.CaptureFixture[str],
    strategy: str,
) -> None:
    settings = make_settings(strategy=strategy)
    outputs = find_lr.Outputs(tmp_path / "out")
    find_lr.run(inputs, outputs, settings, network, Machine(), 60)
    assert sorted(p.name for p in outputs.folder.iterdir()) == ["find_lr.json", "find_lr.svg"]
    found = json.loads((outputs.folder / "find_lr.json").read_text())
    assert found["setting"] == f"train.{strategy}.adamw_lr"
    assert (found["in_force"], found["batch_size"], found["seed"]) == (1e-3, 16, 0)
    assert len(found["lr"]) == len(found["loss"]) == len(found["smoothed"]) <= 60
    assert f"{found['suggestion']:.2g}" in capsys.readouterr().out


def test_a_loss_that_explodes_is_kept_as_none(
    tmp_path: Path,
    inputs: Inputs,
    network: Network,
    make_settings: Callable[..., Train],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def exploded(*_: object) -> RangeTest:
        return RangeTest((1e-6, 1e-5), (0.7, float("nan")), (0.7, 0.7), None, None, "it exploded")

    monkeypatch.setattr(find_lr, "range_test", exploded)
    outputs = find_lr.Outputs(tmp_path / "out")
    find_lr.run(inputs, outputs, make_settings(strategy="finetune"), network, Machine(), 60)
    found = json.loads((outputs.folder / "find_lr.json").read_text())
    assert found["loss"] == [0.7, None]


def test_a_head_that_is_fitted_exactly_has_no_rate(
    tmp_path: Path, inputs: Inputs, network: Network, make_settings: Callable[..., Train]
) -> None:
    outputs = find_lr.Outputs(tmp_path / "out")
    with pytest.raises(HistotileError, match="linear_probe has no learning rate"):
        find_lr.run(inputs, outputs, make_settings(), network, Machine(), 60)
    with pytest.raises(HistotileError, match="needs a decision"):
        settings = make_settings(strategy="auto")
        find_lr.run(replace(inputs, decision=None), outputs, settings, network, Machine(), 60)
    assert not outputs.folder.exists()
