"""From logits to probabilities, of one network or of several that judge together."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from histotile.engines.engine import Engine


def softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Probabilities (N, C) of logits (N, C)."""
    powers = np.exp(np.asarray(logits, np.float64) - logits.max(1, keepdims=True))
    shares: NDArray[np.float64] = powers / powers.sum(1, keepdims=True)
    return shares


def mean_probabilities(engines: Sequence[Engine], tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Mean over the engines of each one's softmax, (N, C)."""
    members = np.stack([softmax(engine(tiles)) for engine in engines])
    mean: NDArray[np.float32] = members.mean(axis=0).astype(np.float32)
    return mean
