"""Whether 16-bit floats say the same as 32-bit ones on tiles of the slide at hand."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from histotile.inference.engines.engine import Engine
from histotile.inference.engines.judgement import Judgement, judge
from histotile.tasks.task import Task

TRIAL_TILES = 64


@dataclass(frozen=True)
class Trial:
    """Largest difference of any value between two precisions, on a slide's first tiles."""

    reduced: str
    difference: float
    tiles: int
    bound: float

    @property
    def passed(self) -> bool:
        """Whether the reduced precision may be used; NaN may not."""
        return self.difference <= self.bound

    @property
    def precision(self) -> str:
        """The precision to use."""
        return self.reduced if self.passed else "float32"

    def __str__(self) -> str:
        """E.g. "bfloat16, max |dp| 0.0011 on 64 tiles (bound 0.005)"."""
        found = f"{self.difference:.2g} on {self.tiles} tiles (bound {self.bound:g})"
        if self.passed:
            return f"{self.reduced}, max |dp| {found}"
        return f"float32: {self.reduced} differs by {found}"


def hold_against(
    full: Sequence[Engine],
    reduced: Sequence[Engine],
    batches: Sequence[NDArray[np.uint8]],
    bound: float,
    task: Task,
) -> tuple[Trial, list[Judgement]]:
    """How far networks in two precisions lie apart, and what the reduced ones say.

    Compared are mean values of the first `TRIAL_TILES` tiles, as shares of their scale.

    Args:
        full: Each network in 32-bit floats.
        reduced: The same networks in 16-bit floats.
        batches: Tiles, uint8 (N, height, width, 3); at least one.
        bound: Largest difference that is let through.
        task: What the networks have learnt.
    """
    found: list[Judgement] = []
    differences: list[float] = []
    tried = 0
    scales = [task.layer(name) for name in task.names]
    spans = np.array([scale.high - scale.low for scale in scales], np.float32)
    for tiles in batches:
        found.append(judge(reduced, tiles, task))
        some = tiles[: TRIAL_TILES - tried]
        if len(some):
            wanted = judge(full, some, task).values
            apart = (wanted - found[-1].values[: len(some)]) / spans
            differences.append(float(np.abs(apart).max()))
            tried += len(some)
    largest = float(np.max(differences))  # which keeps NaN, and NaN never passes
    return Trial(reduced[0].precision, largest, tried, bound), found
