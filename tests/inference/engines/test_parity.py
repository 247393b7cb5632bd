"""Reduced precision is used where it changes little on the slide at hand, and only there."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from torch import nn

from histotile.inference.engines.judgement import judge
from histotile.inference.engines.parity import hold_against
from histotile.inference.engines.torch import TorchEngine
from histotile.tasks.binary import Binary
from histotile.tasks.registry import make_task

TASK = Binary(("healthy", "tumour"))
THREE = make_task(("healthy", "tumour", "stroma"))
Tiles = NDArray[np.uint8]
ByTorch = Callable[..., TorchEngine]


class Cancelling(nn.Module):
    """A network that bfloat16 ruins: a small difference of two large sums."""

    def __init__(self) -> None:
        super().__init__()
        self.large = nn.Linear(3, 2, bias=False)
        with torch.no_grad():
            self.large.weight.copy_(torch.tensor([[1000.0, 0, 0], [1000.5, 0, 0]]))

    def forward(self, tiles: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.large(tiles.mean((2, 3)))
        return found


def cancelling() -> tuple[list[TorchEngine], list[TorchEngine]]:
    network, scale = Cancelling(), ((0.5,) * 3, (0.2,) * 3)
    full = TorchEngine(network, *scale, "cpu")
    return [full], [TorchEngine(network, *scale, "cpu", precision="bfloat16")]


def test_bfloat16_passes_where_it_changes_little(by_torch: ByTorch, tiles: Tiles) -> None:
    full, reduced = [by_torch()], [by_torch("bfloat16")]
    trial, found = hold_against(full, reduced, [tiles[:8], tiles[8:]], 0.1, THREE)
    by_hand = np.abs(softmax(full[0](tiles), axis=1) - softmax(reduced[0](tiles), axis=1)).max()
    assert trial.difference == pytest.approx(by_hand, abs=1e-6)
    assert 0 < trial.difference < 0.1  # it was computed in bfloat16, which does differ
    assert (trial.passed, trial.precision, trial.tiles) == (True, "bfloat16", 13)
    assert str(trial) == f"bfloat16, max |dp| {trial.difference:.2g} on 13 tiles (bound 0.1)"
    probabilities = np.concatenate([judged.values for judged in found])
    np.testing.assert_allclose(probabilities, softmax(reduced[0](tiles), axis=1), atol=1e-6)
    stricter, _ = hold_against(full, reduced, [tiles], trial.difference / 2, THREE)
    assert stricter.precision == "float32"


def test_bfloat16_fails_where_it_ruins_a_network(tiles: Tiles) -> None:
    full, reduced = cancelling()
    trial, _ = hold_against(full, reduced, [tiles], 0.005, TASK)
    assert trial.difference > 0.01
    assert (trial.passed, trial.precision) == (False, "float32")
    assert str(trial).startswith("float32: bfloat16 differs by 0.")


def test_the_first_64_tiles_count_however_they_are_batched(tiles: Tiles) -> None:
    """Precision must not follow the batch size: the same tiles would give other bytes."""
    full, reduced = cancelling()
    many = np.concatenate([tiles[:1]] * 64 + [tiles])  # after the first 64, tiles differ more
    whole, _ = hold_against(full, reduced, [many], 0.005, TASK)
    parts, _ = hold_against(full, reduced, [many[:30], many[30:60], many[60:]], 0.005, TASK)
    assert whole.tiles == parts.tiles == 64
    assert whole.difference == pytest.approx(parts.difference, abs=1e-6)
    rest, _ = hold_against(full, reduced, [many[64:]], 0.005, TASK)
    assert rest.difference > 1.5 * whole.difference


def test_what_is_no_number_never_passes(tiles: Tiles) -> None:
    full, _ = cancelling()

    class Broken:
        name, device, precision = "torch", "cpu", "float16"

        def __call__(self, tiles: Tiles) -> NDArray[np.float32]:
            return self.outputs(tiles)[0]

        def outputs(self, tiles: Tiles) -> list[NDArray[np.float32]]:
            return [np.full((len(tiles), 2), np.nan, np.float32)]

    batches = [tiles[:3], tiles[3:5]]
    trial, _ = hold_against(full, [Broken()], batches, 0.1, TASK)
    assert (trial.passed, trial.precision) == (False, "float32")


def test_an_ensemble_is_the_mean_of_probabilities(by_torch: ByTorch, tiles: Tiles) -> None:
    members = [by_torch(), by_torch("bfloat16")]
    by_hand = np.mean([softmax(member(tiles), axis=1) for member in members], axis=0)
    np.testing.assert_allclose(judge(members, tiles, TASK).values, by_hand, atol=1e-7)
