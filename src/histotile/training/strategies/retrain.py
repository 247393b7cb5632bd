"""The strategy `retrain`: pre-trained weights are a start only; all layers learn fully."""

from histotile.backbones.batch_norm import adapt, are_folded, unfold
from histotile.training.datamodule import TileDataModule
from histotile.training.fit import learn
from histotile.training.job import Job, Outcome
from histotile.training.lightning_module import TileModule
from histotile.training.start import Approach, passed_through


def train_retrain(job: Job) -> Outcome:
    """The network as training leaves it; batch norm learns with the rest.

    Statistics of batch norm are first measured anew on training tiles, so that the first steps do
    not have to undo those of other images; then a linear probe starts the head.

    Raises:
        HistotileError: Fewer devices came together than were asked for.
    """
    return learn(job, approach(job))


def approach(job: Job) -> Approach:
    """All layers learn, after the statistics of batch norm have been measured."""

    def prepare(module: TileModule, data: TileDataModule) -> None:
        def run() -> None:
            passed_through(module, data.mixed_dataloader())

        if are_folded(module.network) and not job.untaught:
            unfold(module.network, run)
        else:
            adapt(module.network, run)

    return Approach(job.settings.retrain, lambda network: [], prepare)
