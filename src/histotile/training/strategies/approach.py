"""How a strategy has layers of a network learn; linear heads, which are fitted, have none."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from torch import nn

from histotile.config import Recipe
from histotile.training.job import Job

if TYPE_CHECKING:
    from histotile.training.datamodule import TileDataModule
    from histotile.training.lightning_module import TileModule


@dataclass(frozen=True)
class Approach:
    """How one strategy has a network learn.

    `section` is that of its recipe, below `train`; `freeze` takes `requires_grad` from what must
    not move and names the modules that stay in evaluation; `prepare` readies the network before the
    linear probe; `finish` makes it one that timm builds, where `freeze` put something in.
    """

    section: Literal["finetune", "retrain"]
    recipe: Recipe
    freeze: Callable[[nn.Module], Sequence[nn.Module]]
    prepare: "Callable[[TileModule, TileDataModule], None] | None" = None
    finish: Callable[[nn.Module], None] = lambda network: None


def approach_of(job: Job) -> Approach | None:
    """How the layers of a job's network learn; None where a head alone is fitted."""
    from histotile.training.strategies import early_probe, finetune, retrain

    if not job.settings.trains_layers(job.strategy):
        return None
    ways = {"finetune": finetune.approach, "retrain": retrain.approach}
    return ways.get(job.strategy, early_probe.approach)(job)
