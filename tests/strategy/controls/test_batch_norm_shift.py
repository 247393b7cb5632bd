"""The shift of batch-norm statistics: 0 where they were made, growing with the shift."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import nn

from histotile.backbones.build import (
    Architecture,
    build_network,
)
from histotile.backbones.stages import (
    StageFeatures,
    stages_of,
)
from histotile.config import Backbone
from histotile.inference.engines.torch import TorchEngine
from histotile.io.features import BnShift
from histotile.strategy.controls.batch_norm_shift import (
    batch_norms,
    hellinger2,
    measure_bn_shift,
    shift_in_sd,
    telling,
)
from histotile.strategy.controls.random_init import calibrate

Rgb = NDArray[np.uint8]
means = st.floats(-20, 20)
variances = st.floats(0.01, 50)


def tiles(count: int, seed: int, shift: int = 0) -> Rgb:
    """Blotches of colour, made darker by `shift`."""
    rng = np.random.default_rng(seed)
    blotches = rng.integers(60, 240, (count, 16, 16, 3)).repeat(4, 1).repeat(4, 2)
    return np.clip(blotches - shift, 0, 255).astype(np.uint8)


@pytest.fixture
def taught(tiny_backbone: Backbone) -> tuple[nn.Module, TorchEngine]:
    """A network whose statistics come from `tiles`, and what runs it."""
    network, architecture = build_network(tiny_backbone, 2, 64)
    engine = run(network, architecture)
    # Kept together: statistics of batches average to those of all only if batches are alike.
    calibrate(network, engine, [tiles(128, 0)])
    return network, engine


def run(network: nn.Module, architecture: Architecture) -> TorchEngine:
    return TorchEngine(StageFeatures(network), architecture.mean, architecture.std, device="cpu")


def measured(network: nn.Module, engine: TorchEngine, *groups: Rgb) -> list[tuple[BnShift, ...]]:
    weights = np.repeat(np.eye(len(groups)), [len(group) for group in groups], axis=0)
    pixels = np.concatenate(groups)
    parts = range(0, len(pixels), 20)
    return measure_bn_shift(
        network, engine, ((pixels[k : k + 20], weights[k : k + 20]) for k in parts)
    )


def test_no_shift_where_statistics_were_made_and_more_the_farther_away(taught: Any) -> None:
    own, fresh, darker, darkest = measured(
        *taught, tiles(128, 0), tiles(128, 1), tiles(128, 1, 40), tiles(128, 1, 80)
    )
    for stage in range(len(own)):
        series = [found[stage] for found in (own, fresh, darker, darkest)]
        assert series[0].hellinger < 1e-3
        assert series[0].shift_sd < 0.02
        assert series[0].hellinger < series[1].hellinger < 0.03
        assert series[1].hellinger < series[2].hellinger < series[3].hellinger
        assert series[1].shift_sd < series[2].shift_sd


def test_every_layer_belongs_to_the_first_stage_that_needs_it(taught: Any) -> None:
    network, engine = taught
    (before,) = measured(network, engine, tiles(32, 0))
    assert [shift.stage for shift in before] == [s.number for s in stages_of(network)]
    bns = batch_norms(network)
    assert len(bns) > len(before)
    early, late = (next(n for n in bns if n.startswith(f"blocks.{k}.")) for k in (0, 4))
    for name, changed in ((early, 0), (late, 4)):
        kept = bns[name].running_mean.clone()
        bns[name].running_mean += 10  # its own stage shifts; later ones may follow, none before
        (after,) = measured(network, engine, tiles(32, 0))
        bns[name].running_mean.copy_(kept)
        assert after[changed].hellinger > before[changed].hellinger + 0.05
        assert after[:changed] == before[:changed]


def test_weights_decide_and_batches_do_not(taught: Any) -> None:
    network, engine = taught
    one, two = tiles(20, 1), tiles(40, 2, 60)
    pixels = np.concatenate([one, two])
    heavy = np.repeat([2.0, 1.0], [20, 40])[:, None]  # both groups weigh the same
    (weighed,) = measure_bn_shift(network, engine, [(pixels, heavy)])
    (repeated,) = measured(network, engine, np.concatenate([one, one, two]))
    for a, b in zip(weighed, repeated, strict=True):
        assert a.hellinger == pytest.approx(b.hellinger, abs=1e-6)
        assert a.shift_sd == pytest.approx(b.shift_sd, abs=1e-5)
    assert not any(layer._forward_pre_hooks for layer in batch_norms(network).values())


@pytest.mark.parametrize("name", ["test_vit", "test_convnext", "resnet18"])
def test_statistics_that_say_nothing(name: str) -> None:
    """No batch norm, or random weights."""
    network, architecture = build_network(
        Backbone(name=name, weights="none", domain="auto", options={}), 2, 64
    )
    engine = run(network, architecture)
    assert measured(network, engine, tiles(4, 0)) == []


def test_folded_layers_say_nothing(taught: Any) -> None:
    network, engine = taught
    *folded, left = batch_norms(network).values()
    for layer in folded:
        layer.running_mean.zero_()
        layer.running_var.fill_(1 - layer.eps)
    assert list(telling(network).values()) == [left]
    (found,) = measured(network, engine, tiles(8, 0))
    assert [shift.stage for shift in found] == [len(stages_of(network))]


def numbers(*values: float) -> list[NDArray[np.float64]]:
    return [np.array([value]) for value in values]


@given(means, variances, means, variances)
def test_hellinger_is_the_integral(m: float, v: float, m0: float, v0: float) -> None:
    reach = 12 * max(v, v0) ** 0.5
    x = np.linspace(min(m, m0) - reach, max(m, m0) + reach, 40_001)

    def density(mean: float, variance: float) -> Any:
        return np.exp(-((x - mean) ** 2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)

    overlap = np.trapezoid(np.sqrt(density(m, v) * density(m0, v0)), x)
    assert hellinger2(*numbers(m, v, m0, v0))[0] == pytest.approx(1 - overlap, abs=1e-4)


@given(means, variances, means, variances)
def test_hellinger_is_symmetric_and_bounded(m: float, v: float, m0: float, v0: float) -> None:
    found = hellinger2(*numbers(m, v, m0, v0))[0]
    assert 0 <= found <= 1
    assert found == pytest.approx(hellinger2(*numbers(m0, v0, m, v))[0])
    assert hellinger2(*numbers(m, v, m, v))[0] == pytest.approx(0, abs=1e-12)


def test_shift_counts_standard_deviations_of_the_source() -> None:
    assert shift_in_sd(*numbers(7, 4, 1, 4))[0] == pytest.approx(3)
    assert shift_in_sd(*numbers(1, 16, 1, 4))[0] == pytest.approx(1)


def test_channels_always_off_are_no_shift() -> None:
    layer: Any = nn.BatchNorm2d(2)
    layer.running_mean.copy_(torch.tensor([0.0, 3.0]))
    layer.running_var.copy_(torch.tensor([0.0, 2.0]))
    from histotile.strategy.controls.batch_norm_shift import _Watch

    watch = _Watch(layer)
    watch.weights = np.ones((4, 1))
    layer.eval()(torch.zeros(4, 2, 3, 3))
    hellinger, shift = watch.distances(np.array([4.0]))
    assert hellinger[0, 0] == shift[0, 0] == 0
    assert hellinger[0, 1] > 0.9
