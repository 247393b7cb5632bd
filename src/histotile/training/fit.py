"""Learning by gradients: from a prepared network to its best epoch, through any interruption."""

import logging
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint
from torch import Tensor, nn

from histotile.backbones.build import Architecture, build_network, head
from histotile.backbones.stages import stages_of
from histotile.config import Recipe
from histotile.errors import HistotileError
from histotile.tasks.probe import Features, fit_probe
from histotile.training.datamodule import TileDataModule
from histotile.training.job import Job, Machine, Outcome
from histotile.training.learning_curve import Point
from histotile.training.lightning_module import Objective, TileModule
from histotile.training.optimizer import Plan, rates, uses_sgd
from histotile.training.resume import LAST, START, STATE, best_state, same_inputs


@dataclass(frozen=True)
class Approach:
    """How one strategy has a network learn.

    `freeze` takes `requires_grad` from what must not move and names the modules that stay in
    evaluation; `prepare` readies the network before the linear probe.
    """

    recipe: Recipe
    freeze: Callable[[nn.Module], Sequence[nn.Module]]
    prepare: Callable[[TileModule, TileDataModule], None] | None = None


def learn(job: Job, approach: Approach) -> Outcome:
    """The network after the epoch with the least loss on val; epoch 0 is the linear probe alone.

    Its state is kept in the folder's checkpoints/ while it trains; if the same training was
    interrupted, it goes on after the last whole round of epochs.

    Raises:
        HistotileError: Fewer devices came together than were asked for.
    """
    logging.getLogger("pytorch_lightning.utilities.rank_zero").setLevel(logging.WARNING)
    pl.seed_everything(job.settings.seed, workers=True, verbose=False)
    network, architecture = build_network(job.backbone, job.task.outputs, job.fold.train.tile_px)
    data = TileDataModule(job.fold, job.settings, job.machine)
    weights = job.task.weights(job.fold.train.label, job.settings.class_weights)
    module = TileModule(
        network,
        architecture,
        Objective(job.task, weights.tolist()),
        approach.recipe,
        approach.freeze(network),
        data.plan.passes,
    )
    trainer = _trainer(job, data.plan)
    if trainer.world_size != job.machine.devices:
        fact = f"asked for {job.machine.devices} devices, {trainer.world_size} came together"
        remedy = "give the job that many, and under Slurm one task for each"
        raise HistotileError("training", fact, remedy)
    with warnings.catch_warnings():
        for message in _EXPECTED:
            warnings.filterwarnings("ignore", message)
        _run(trainer, module, data, job, approach)
    best = min(module.curve, key=lambda point: point.val_loss)
    data.count_readers()
    network.load_state_dict(best_state(job.folder / STATE, best))
    return _outcome(module, architecture, best, _facts(trainer, data.plan, job))


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
        if approach.prepare is not None:
            approach.prepare(module, data)
        if not job.untaught:
            _start_head(module, data, job)
        trainer.validate(module, data, verbose=False, weights_only=True)
        if trainer.is_global_zero:
            torch.save(module.network.state_dict(), state / START)
        module.train()
        trainer.fit(module, data, weights_only=True)


def passed_through(
    module: TileModule, batches: Iterable[tuple[Tensor, Tensor, Tensor]]
) -> tuple[Any, Any]:
    """What the head sees of each tile, and the tile's number; layers keep their modes."""
    seen: list[Tensor] = []
    hook = head(module.network).register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    module.to(device)
    numbers = []
    with torch.no_grad():
        for tiles, _, indices in batches:
            module(tiles.to(device))
            numbers.append(indices)
    hook.remove()
    module.to("cpu")
    return torch.cat([s.flatten(1).cpu() for s in seen]).numpy(), torch.cat(numbers).numpy()


def _start_head(module: TileModule, data: TileDataModule, job: Job) -> None:
    """A linear head on features of training tiles as they are, put into the network."""
    module.eval()
    values, numbers = passed_through(module, data.probe_dataloader())
    selection = data.probed.selection
    groups = job.fold.patients(selection)[numbers]
    seen = Features(values, selection.label[numbers], groups)
    if not job.task.lacking(seen.labels):
        probe = fit_probe(job.task, seen, job.settings.class_weights, job.settings.seed)
        probe.fill(head(module.network))


def _trainer(job: Job, plan: Plan) -> pl.Trainer:
    stop = EarlyStopping("val_loss", patience=plan.patience, mode="min")
    state: dict[str, Any] = {"dirpath": job.folder / STATE, "enable_version_counter": False}
    best = ModelCheckpoint(filename="best", monitor="val_loss", mode="min", **state)
    last = ModelCheckpoint(filename="last", **state)
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
        callbacks=[stop, _RoundStart(job.settings.seed, job.machine), best, last],
        logger=logger,
        gradient_clip_val=1.0,
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
        "batch_size": plan.batches.size,
        "device": str(trainer.strategy.root_device),
        "devices": trainer.world_size,
        "precision": precision(job.settings.precision),
        "steps": trainer.global_step,
        "packs": job.machine.packs is not None,
        "profiler": job.machine.profiler.facts(),
        "primary": trainer.is_global_zero,
    }


def _outcome(
    module: TileModule,
    architecture: Architecture,
    best: Point,
    facts: dict[str, Any],
) -> Outcome:
    network = module.network.cpu().eval()
    trained = sum(p.numel() for p in network.parameters() if p.requires_grad)
    primary = facts.pop("primary")
    facts |= {
        "optimizer": "sgd" if uses_sgd(network, module.recipe) else "adamw",
        "lr": rates(network, module.recipe),
    }
    return Outcome(
        network=network,
        architecture=architecture,
        curve=module.curve,
        best=best,
        over_epochs=True,
        stages=(len(stages_of(network)),),
        trained_weights=trained,
        dropped_weights=0,
        facts=facts,
        primary=primary,
    )
