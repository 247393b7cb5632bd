"""What is searched of each strategy, and what becomes of proposed values."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fixtures.models import *  # noqa: F403
from histotile.config import Backbone, Train
from histotile.errors import HistotileError
from histotile.strategy.tuning.space import changed, changes, make_space, nested
from histotile.tasks.registry import make_task
from histotile.training.job import FoldSlide, Job, Machine, gather_tiles

MakeJob = Callable[..., Job]


@pytest.fixture
def make_job(
    fold: list[FoldSlide], tiny_backbone: Backbone, make_settings: Callable[..., Train]
) -> MakeJob:
    task = make_task(("healthy", "tumour"))

    def make(strategy: Any, **given: Any) -> Job:
        settings = make_settings(strategy=strategy, **given)
        tiles = gather_tiles(fold, task, 4, 0)
        return Job(Path(), tiles, tiny_backbone, settings, Machine(), strategy, (2,))

    return make


@pytest.mark.parametrize(
    ("strategy", "way", "names"),
    [
        ("finetune", "truncate", "finetune.adamw_lr finetune.adamw_weight_decay finetune.dropout "),
        ("early_probe", "retrain_tail", "finetune.adamw_lr finetune.adamw_weight_decay "),
        ("retrain", "truncate", "retrain.adamw_lr retrain.adamw_weight_decay retrain.dropout "),
    ],
)
def test_each_strategy_that_learns_has_its_few_settings(
    make_job: MakeJob, strategy: str, way: str, names: str
) -> None:
    space = {p.key: p for p in make_space(make_job(strategy, early_probe=way))}
    own = "retrain.mixup" if strategy == "retrain" else "finetune.layer_decay"
    assert set(names.split()) <= set(space) and own in space and "augment" in space
    assert len(space) <= 6
    for parameter in space.values():
        assert parameter.low <= parameter.default <= parameter.high


@pytest.mark.parametrize(
    ("strategy", "way"), [("linear_probe", "retrain_tail"), ("early_probe", "truncate")]
)
def test_a_probe_has_nothing_to_search(make_job: MakeJob, strategy: str, way: str) -> None:
    with pytest.raises(HistotileError, match="L2 strength, is chosen by cross-validation already"):
        make_space(make_job(strategy, early_probe=way))


def test_the_rate_in_force_is_the_one_of_the_network_where_none_is_set(make_job: MakeJob) -> None:
    job = make_job("finetune", rate=None)
    assert make_space(job)[0].default == 1e-3  # it has batch norm
    finetune = job.settings.finetune.model_copy(update={"optimizer": "sgd", "sgd_lr": 0.5})
    job = replace(job, settings=job.settings.model_copy(update={"finetune": finetune}))
    assert [p.key for p in make_space(job)][:2] == ["finetune.sgd_lr", "finetune.sgd_weight_decay"]
    assert make_space(job)[0].default == 0.5
    finetune = finetune.model_copy(update={"optimizer": "adam", "adamw_weight_decay": 0.0})
    job = replace(job, settings=job.settings.model_copy(update={"finetune": finetune}))
    assert not any("decay" in p.key and "weight" in p.key for p in make_space(job))


def test_a_setting_out_of_the_usual_range_widens_it(make_job: MakeJob) -> None:
    job = make_job("finetune")
    finetune = job.settings.finetune.model_copy(
        update={"adamw_weight_decay": 0.0, "layer_decay": 0.3, "dropout": 0.7}
    )
    job = replace(job, settings=job.settings.model_copy(update={"finetune": finetune}))
    found = {p.key: p for p in make_space(job)}
    decay = found["finetune.adamw_weight_decay"]
    assert (decay.low, decay.scale) == (0.0, "linear")  # there is no logarithm of 0
    values = {key: p.default for key, p in found.items()} | {decay.key: 0.00123}
    assert changes(list(found.values()), values, job.settings) == {decay.key: 0.0012}
    assert found["finetune.layer_decay"].low == 0.3
    assert found["finetune.dropout"].high == 0.7


def test_networks_without_drop_out_and_batches_of_one_have_no_such_settings(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "retrain.dropout" in {p.key for p in make_space(make_job("retrain"))}
    monkeypatch.setattr("histotile.training.start._with_dropout", lambda backbone, _: backbone)
    names = {p.key for p in make_space(make_job("retrain", batch_size=1))}
    assert names == {"retrain.adamw_lr", "retrain.adamw_weight_decay", "augment"}


def test_values_become_settings_that_can_be_pasted(make_job: MakeJob) -> None:
    job = make_job("finetune")
    space, train = make_space(job), job.settings
    default = {p.key: p.default for p in space}
    assert changes(space, default, train) == {}
    proposed = default | {"finetune.adamw_lr": 0.00123456, "finetune.dropout": 0.123456}
    found = changes(space, proposed | {"augment": 2}, train)
    assert found == {
        "finetune.adamw_lr": 0.0012,
        "finetune.dropout": 0.12,
        "augment.colour": "heavy",  # in force: light; what is off stays off
    }
    new = changed(train, found)
    assert (new.finetune.adamw_lr, new.finetune.dropout) == (0.0012, 0.12)
    assert (new.augment.colour, new.augment.stain) == ("heavy", "off")
    assert new.retrain == train.retrain
    assert changes(space, default | {"augment": -1}, train) == {"augment.colour": "off"}
    assert nested({"train.a.b": 1, "train.c": 2}) == {"train": {"a": {"b": 1}, "c": 2}}


def test_without_any_change_in_force_the_usual_ones_are_strengthened(make_job: MakeJob) -> None:
    train = make_job("finetune").settings
    off = train.augment.model_copy(update={"colour": "off"})
    job = replace(make_job("finetune"), settings=train.model_copy(update={"augment": off}))
    space = make_space(job)
    assert (space[-1].low, space[-1].high) == (0, 3)
    found = changes(space, {p.key: p.default for p in space} | {"augment": 1}, job.settings)
    assert found == {f"augment.{name}": "light" for name in ("resized_crop", "colour", "stain")}
