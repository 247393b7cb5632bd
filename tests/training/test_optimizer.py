"""Rates per layer, and how a training is laid out."""

import itertools
import math
from typing import Any

import pytest
import timm
import torch
from hypothesis import given
from hypothesis import strategies as st

from histotile.config import Recipe
from histotile.training.optimizer import (
    deal,
    make_optimizer,
    parameter_groups,
    plan,
    rate_factor,
    rates,
)


def recipe(**changes: Any) -> Recipe:
    plain = {
        "optimizer": "sgd",
        "sgd_lr": 0.1,
        "adamw_lr": 0.001,
        "sgd_weight_decay": 0.01,
        "adamw_weight_decay": 0.05,
        "layer_decay": 0.5,
        "momentum": 0.9,
        "warm_up": 0.05,
        "clip": 1.0,
        "dropout": 0.0,
        "mixup": 0.0,
    }
    return Recipe(**(plain | changes))


@pytest.mark.parametrize(
    ("name", "peak"),
    [
        ("test_resnet", 0.001),
        ("test_efficientnet", 0.001),
        ("test_vit", 0.0003),
        ("test_convnext", 0.0003),
    ],
)
def test_networks_without_batch_norm_learn_more_slowly_unless_told(name: str, peak: float) -> None:
    network = timm.create_model(name, num_classes=2)
    found = make_optimizer(network, recipe(optimizer="adamw", adamw_lr=None))
    assert type(found) is torch.optim.AdamW
    assert max(g["lr"] for g in found.param_groups) == pytest.approx(peak)
    told = make_optimizer(network, recipe(optimizer="adamw", adamw_lr=0.02))
    assert max(g["lr"] for g in told.param_groups) == 0.02


def test_sgd_has_nesterov_momentum_and_its_own_rate() -> None:
    network = timm.create_model("test_resnet", num_classes=2)
    found = make_optimizer(network, recipe())
    assert type(found) is torch.optim.SGD
    assert all(g["nesterov"] and g["momentum"] == 0.9 for g in found.param_groups)
    assert max(g["lr"] for g in found.param_groups) == 0.1


@pytest.mark.parametrize(
    ("changes", "optimizer", "expected"),
    [
        ({"optimizer": "sgd", "momentum": 0}, torch.optim.SGD, {"momentum": 0, "nesterov": False}),
        ({"optimizer": "sgd"}, torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
        ({"optimizer": "adam"}, torch.optim.Adam, {"weight_decay": 0}),
        ({"optimizer": "adamw"}, torch.optim.AdamW, {"weight_decay": 0.05}),
    ],
)
def test_optimizer_asked_for(
    changes: dict[str, Any], optimizer: type, expected: dict[str, Any]
) -> None:
    network = timm.create_model("test_resnet", num_classes=2)
    found = make_optimizer(network, recipe(**changes))
    assert type(found) is optimizer
    head = next(g for g in found.param_groups[::-1] if g["params"][0].ndim > 1)
    assert {name: head[name] for name in expected} == expected


def test_position_embeddings_and_vectors_do_not_decay() -> None:
    network = timm.create_model("test_vit", num_classes=2)
    names = {id(p): n for n, p in network.named_parameters()}
    for group in parameter_groups(network, recipe(optimizer="adamw")):
        for parameter in group["params"]:
            kept = parameter.ndim <= 1 or names[id(parameter)] in ("pos_embed", "cls_token")
            assert group["weight_decay"] == (0 if kept else 0.05), names[id(parameter)]


def test_frozen_parameters_are_left_out_and_depth_still_counts() -> None:
    network = timm.create_model("test_resnet", num_classes=2)
    whole = rates(network, recipe())
    for parameter in network.layer1.parameters():
        parameter.requires_grad_(False)
    without = rates(network, recipe())
    assert len(without) == len(whole) - 1
    assert {entry["lr"] for entry in without} < {entry["lr"] for entry in whole}
    assert whole[-1] == {"lr": 0.1, "weights": sum(p.numel() for p in network.fc.parameters())}
    assert sum(e["weights"] for e in whole) == sum(p.numel() for p in network.parameters())


def test_lr_warms_up_and_falls_per_step() -> None:
    factors = [rate_factor(step, 200, 0.05) for step in range(201)]
    assert factors[:10] == pytest.approx([(i + 1) / 10 for i in range(10)])
    assert all(a >= b for a, b in itertools.pairwise(factors[10:]))
    assert factors[105] == pytest.approx(0.505)
    assert factors[200] == pytest.approx(0.01)
    assert all(math.isfinite(rate_factor(s, 1, warm_up)) for s in range(3) for warm_up in (0, 0.5))


@given(st.integers(2, 3000), st.integers(1, 300), st.integers(1, 50))
def test_batches_are_of_like_size_and_few_tiles_are_left_out(
    tiles: int, batch_size: int, passes: int
) -> None:
    batches = deal(tiles, batch_size, passes)
    assert min(2, batch_size) <= batches.size <= max(2, batch_size)
    whole, left = divmod(tiles * passes, batches.size)
    if batches.drop_last:
        assert whole >= 2
        assert left <= batches.size / 2
    else:
        assert left == 0 or left > batches.size / 2 or whole < 2
    assert (
        left != 1 or batches.drop_last or tiles < 4 or batch_size == 1
    )  # batch norm cannot learn from one tile


@pytest.mark.parametrize(
    ("tiles", "min_steps", "expected"),
    [
        (6400, 0, (64, 1, 20, 5)),  # as many epochs as asked for
        (640, 500, (64, 2, 25, 6)),  # 500 steps of ten per epoch: 50 epochs, every second measured
        (20, 500, (10, 10, 25, 6)),  # two batches of ten: 250 epochs
    ],
)
def test_plan(make_settings: Any, tiles: int, min_steps: int, expected: tuple[int, ...]) -> None:
    settings = make_settings(epochs=20, min_steps=min_steps, patience=5, batch_size=64)
    found = plan(tiles, settings)
    assert (found.batches.size, found.passes, found.rounds, found.patience) == expected
    assert found.rounds <= 25
    assert found.epochs * tiles / found.batches.size >= min_steps


@pytest.mark.parametrize(
    ("batch_size", "batch", "steps_of_a_pass"), [(1, 1, 500), (16, 16, 31), ("all", 63, 1)]
)
def test_the_three_descents(
    make_settings: Any, batch_size: Any, batch: int, steps_of_a_pass: int
) -> None:
    found = plan(500, make_settings(batch_size=batch_size, epochs=3))
    assert found.batches.size == batch
    assert 500 // (batch * found.portions) == (steps_of_a_pass if batch_size != "all" else 0)
    if batch_size == "all":
        assert found.portions * batch >= 500
        assert plan(500, make_settings(batch_size="all", min_steps=70)).epochs >= 70


@pytest.mark.parametrize(
    ("tiles", "batch_size", "least"),
    [(100, 1, 1), (3, 2, 1), (100, 10, 10), (9, 4, 3), (101, 10, 10), (3000, "all", 63)],
)
def test_the_smallest_batch(make_settings: Any, tiles: int, batch_size: Any, least: int) -> None:
    assert plan(tiles, make_settings(batch_size=batch_size)).least(tiles) == least
