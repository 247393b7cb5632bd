"""Whether an exported model says the same as the trained one."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from histotile.errors import HistotileError
from histotile.inference.checkpoint import TrainedModel
from histotile.inference.engines.torch import TorchEngine


@dataclass(frozen=True)
class Parity:
    """Largest difference of any value between an export and its model, on some tiles."""

    format: str
    tiles: int
    max_difference: float

    def __str__(self) -> str:
        """One line for the terminal."""
        return f"{self.format}: max |dp| = {self.max_difference:.2e} on {self.tiles} tiles"


@dataclass(frozen=True)
class Omission:
    """A format that cannot hold the model, and why."""

    format: str
    omitted: str

    def __str__(self) -> str:
        """One line for the terminal."""
        return f"{self.format}: left out, it {self.omitted}"


def compare(
    name: str,
    model: TrainedModel,
    logits: NDArray[np.float32],
    tiles: NDArray[np.uint8],
    tolerance: float,
) -> Parity:
    """How far the logits of an export lie from the model's own, as shares of its task's scale.

    Raises:
        HistotileError: No tiles, other shapes, or a difference above the tolerance.
    """
    if not len(tiles):
        raise HistotileError(
            f"export {name}", "there is no tile to compare on", "give a slide with tissue"
        )
    own = TorchEngine(model.network, model.mean, model.std, device="cpu")(tiles)
    if own.shape != logits.shape:
        fact = f"gives logits of shape {logits.shape}, the model {own.shape}"
        raise HistotileError(
            f"export {name}", fact, "report this: the format cannot hold the model"
        )
    task = model.task
    scales = [task.layer(name) for name in task.names]
    apart = [
        np.abs(scale.share(a) - scale.share(b)).max()
        for scale, a, b in zip(scales, task.activate(own).T, task.activate(logits).T, strict=True)
    ]
    difference = float(max(apart))
    if not difference <= tolerance:
        fact = f"values differ by up to {difference:.2e}, more than {tolerance:.0e}"
        remedy = f"take {name!r} out of export.formats, or raise export.tolerance knowingly"
        raise HistotileError(f"export {name}", fact, remedy)
    return Parity(name, len(tiles), difference)
