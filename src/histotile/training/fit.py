"""Learning by gradients: from a prepared network to its last epoch, through any interruption."""

import logging
import warnings
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint

from histotile.backbones.stages import stages_of
from histotile.config import Recipe
from histotile.errors import HistotileError
from histotile.training.datamodule import TileDataModule
from histotile.training.job import Job, Machine, Outcome
from histotile.training.learning_curve import X_OVER_EPOCHS, Point, kept_point
from histotile.training.lightning_module import TileModule
from histotile.training.optimizer import Plan, rates
from histotile.training.resume import BEST, LAST, START, STATE, kept_state, same_inputs
from histotile.training.start import begin, make_module
from histotile.training.strategies.approach import Approach


def learn(job: Job, approach: Approach) -> Outcome:
    """The network as it ends, or with `patience` after the epoch with the least loss on val.

    Its state is kept in the folder's checkpoints/ while it trains; if the same training was
    interrupted, it goes on after the last whole round of epochs.

    Raises:
        HistotileError: Fewer devices came together than were asked for.
    """
    logging.getLogger("pytorch_lightning.utilities.rank_zero").setLevel(logging.WARNING)
    pl.seed_everything(job.settings.seed, workers=True, verbose=False)
    module, data = make_module(job, approach)
    trainer = _trainer(job, data.plan, approach.recipe)
    if trainer.world_size != job.machine.devices:
        fact = f"asked for {job.machine.devices} devices, {trainer.world_size} came together"
        remedy = "give the job that many, and under Slurm one task for each"
        raise HistotileError("training", fact, remedy)
    with warnings.catch_warnings():
        for message in _EXPECTED:
            warnings.filterwarnings("ignore", message)
        _run(trainer, module, data, job, approach)
    stops = data.plan.patience is not None
    best = kept_point(module.curve, stops)
    data.count_readers()
    file = BEST if stops else LAST
    module.network.load_state_dict(kept_state(job.folder / STATE, best, file))
    return _outcome(module, best, _facts(trainer, data.plan, job), approach)


# What Lightning warns of, and is meant so: state beside its checkpoints, layers in evaluation.
_EXPECTED = ("Checkpoint directory", "Found .* in eval mode", "`isinstance.treespec")


def _run(
    trainer: pl.Trainer,
    module: TileModule,
    data: TileDataModule,
    job: Job,
    approach: Approach,
) -> None:
    """From where an interrupted training stopped, or else from the start."""
    state = job.folder / STATE
    if same_inputs(state, job, module.network):
        module.train()  # Lightning keeps whatever mode it finds
        trainer.fit(module, data, ckpt_path=state / LAST, weights_only=True)
    else:
        begin(module, data, job, approach)
        trainer.validate(module, data, verbose=False, weights_only=True)
        if trainer.is_global_zero:
            torch.save(module.network.state_dict(), state / START)
        module.train()
        trainer.fit(module, data, weights_only=True)


def _trainer(job: Job, plan: Plan, recipe: Recipe) -> pl.Trainer:
    state: dict[str, Any] = {"dirpath": job.folder / STATE, "enable_version_counter": False}
    callbacks = [
        _RoundStart(job.settings.seed, job.machine),
        ModelCheckpoint(filename="last", **state),
    ]
    if plan.patience is not None:
        callbacks = [
            EarlyStopping("val_loss", patience=plan.patience, mode="min"),
            callbacks[0],
            ModelCheckpoint(filename="best", monitor="val_loss", mode="min", **state),
            callbacks[1],
        ]
    logger: Any = False
    if job.settings.tensorboard:
        from pytorch_lightning.loggers import TensorBoardLogger

        logger = TensorBoardLogger(job.folder, name="tensorboard", version="")
    return pl.Trainer(
        accelerator="auto",
        devices=job.machine.devices,
        strategy="ddp" if job.machine.devices > 1 else "auto",
        precision=precision(job.settings.precision),
        max_epochs=plan.rounds,
        default_root_dir=job.folder / STATE,  # where Lightning looks for states under Slurm, too
        callbacks=callbacks,
        logger=logger,
        gradient_clip_val=recipe.clip,
        accumulate_grad_batches=plan.portions,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=1,
    )


class _RoundStart(pl.Callback):
    """Seeds each round by its number, and tells how far the training is."""

    def __init__(self, seed: int, machine: Machine) -> None:
        self.seed = seed
        self.machine = machine

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Drop-out then falls alike whether the training was interrupted or not."""
        torch.manual_seed((self.seed * 100_003 + trainer.current_epoch) * 64 + trainer.global_rank)

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Report progress."""
        self.machine.profiler.turn("other")
        if self.machine.progress is not None:
            steps = int(trainer.estimated_stepping_batches)
            self.machine.progress(trainer.global_step, steps)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show the curve, which has a new point."""
        if self.machine.show is not None and trainer.is_global_zero:
            assert isinstance(pl_module, TileModule)
            self.machine.show(pl_module.curve, X_OVER_EPOCHS)

    def on_validation_batch_end(self, *_: Any, **__: Any) -> None:
        """What follows is no work of the network."""
        self.machine.profiler.turn("other")


def precision(name: str) -> Any:
    """Lightning's name for a number format; 16-bit floats only where there is a GPU."""
    gpu = torch.cuda.is_available()
    if name == "auto":
        name = "bf16" if gpu and torch.cuda.is_bf16_supported() else "32"
    if name == "16" and not gpu:
        name = "32"
    return {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}[name]


def _facts(trainer: pl.Trainer, plan: Plan, job: Job) -> dict[str, Any]:
    return {
        "planned_epochs": plan.epochs,
        "epochs_per_point": plan.passes,
        "batch_size": plan.batches.size * plan.portions,
        "device": str(trainer.strategy.root_device),
        "devices": trainer.world_size,
        "precision": precision(job.settings.precision),
        "steps": trainer.global_step,
        "epochs": trainer.current_epoch * plan.passes,
        "seed": job.settings.seed,
        "packs": job.machine.packs is not None,
        "profiler": job.machine.profiler.facts(),
        "primary": trainer.is_global_zero,
    }


def _outcome(
    module: TileModule,
    best: Point,
    facts: dict[str, Any],
    approach: Approach,
) -> Outcome:
    network = module.network.cpu().eval()
    trained = sum(p.numel() for p in network.parameters() if p.requires_grad)
    primary = facts.pop("primary")
    facts |= {
        "optimizer": module.recipe.optimizer,
        "lr": rates(network, module.recipe),
    }
    approach.finish(network)
    return Outcome(
        network=network,
        architecture=module.architecture,
        curve=module.curve,
        best=best,
        over_epochs=True,
        stages=(len(stages_of(network)),),
        trained_weights=trained,
        dropped_weights=0,
        facts=facts,
        primary=primary,
    )
