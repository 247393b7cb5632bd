"""From logits to probabilities, of one network or of several that judge together."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from histotile.inference.engines.engine import Engine


class Judgement(NamedTuple):
    """What networks that judge together say of some tiles.

    `probabilities`: mean over the networks, (N, C). `features`: what each one's head sees, (N, D);
    None where its file does not give them.
    """

    probabilities: NDArray[np.float32]
    features: tuple[NDArray[np.float32] | None, ...]


def softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Probabilities (N, C) of logits (N, C)."""
    powers = np.exp(np.asarray(logits, np.float64) - logits.max(1, keepdims=True))
    shares: NDArray[np.float64] = powers / powers.sum(1, keepdims=True)
    return shares


def judge(engines: Sequence[Engine], tiles: NDArray[np.uint8]) -> Judgement:
    """Mean over the engines of each one's softmax, and the features each one goes by."""
    found = [engine.outputs(tiles) for engine in engines]
    members = np.stack([softmax(outputs[0]) for outputs in found])
    mean: NDArray[np.float32] = members.mean(axis=0).astype(np.float32)
    return Judgement(mean, tuple(outputs[1] if outputs[1:] else None for outputs in found))


def mean_probabilities(engines: Sequence[Engine], tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Mean over the engines of each one's softmax, (N, C)."""
    return judge(engines, tiles).probabilities
