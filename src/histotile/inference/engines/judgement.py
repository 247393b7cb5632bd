"""From logits to the values of a task, of one network or of several that judge together."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from histotile.inference.engines.engine import Engine
from histotile.tasks.task import Task


class Judgement(NamedTuple):
    """What networks that judge together say of some tiles.

    `values`: mean over the networks, (N, C). `features`: what each one's head sees, (N, D);
    None where its file does not give them.
    """

    values: NDArray[np.float32]
    features: tuple[NDArray[np.float32] | None, ...]


def judge(engines: Sequence[Engine], tiles: NDArray[np.uint8], task: Task) -> Judgement:
    """Mean over the engines of each one's values, and the features each one goes by."""
    found = [engine.outputs(tiles) for engine in engines]
    members = np.stack([task.activate(outputs[0]) for outputs in found])
    mean: NDArray[np.float32] = members.mean(axis=0).astype(np.float32)
    return Judgement(mean, tuple(outputs[1] if outputs[1:] else None for outputs in found))
