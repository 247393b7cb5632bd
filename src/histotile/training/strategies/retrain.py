"""The strategy `retrain`: pre-trained weights are a start only; all layers learn fully."""

from typing import TYPE_CHECKING

from histotile.backbones.batch_norm import adapt, are_folded, unfold
from histotile.training.job import Job
from histotile.training.strategies.approach import Approach

if TYPE_CHECKING:
    from histotile.training.datamodule import TileDataModule
    from histotile.training.lightning_module import TileModule


def approach(job: Job) -> Approach:
    """All layers learn, batch norm with the rest.

    Statistics of batch norm are first measured anew on training tiles, so that the first steps do
    not have to undo those of other images; then a linear probe starts the head.
    """

    def prepare(module: "TileModule", data: "TileDataModule") -> None:
        from histotile.training.start import passed_through

        def run() -> None:
            passed_through(module, data.mixed_dataloader())

        if are_folded(module.network) and not job.untaught:
            unfold(module.network, run)
        else:
            adapt(module.network, run)

    return Approach("retrain", job.settings.retrain, lambda network: [], prepare)
