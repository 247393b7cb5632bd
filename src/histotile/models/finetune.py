"""The strategy `finetune`: a linear probe starts the head, then all layers learn."""

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint
from torch import Tensor, nn

from histotile.config import Backbone, Train
from histotile.errors import HistotileError
from histotile.models.backbones import Architecture, build_network, head
from histotile.models.curves import Point
from histotile.models.datamodule import TileDataModule
from histotile.models.fold import FoldTiles, Machine, Outcome
from histotile.models.module import TileClassifier
from histotile.models.probe import Features, Probe, class_weights, fit_probe
from histotile.tables import write_json

STATE = "checkpoints"


def train_finetune(
    folder: Path, fold: FoldTiles, backbone: Backbone, settings: Train, machine: Machine
) -> Outcome:
    """The network after the epoch with the least loss on val (epoch 0: the linear probe alone).

    Its state is kept in the folder's checkpoints/ while it trains; if the same training was
    interrupted, it goes on after the last whole epoch. (Probe first: a random head would distort
    the features in the first steps. Kumar et al. 2022, arXiv 2202.10054.)

    Raises:
        HistotileError: Fewer devices came together than were asked for.
    """
    logging.getLogger("pytorch_lightning.utilities.rank_zero").setLevel(logging.WARNING)
    pl.seed_everything(settings.seed, workers=True, verbose=False)
    classes = len(fold.train.classes)
    network, architecture = build_network(backbone, classes, fold.train.tile_px)
    untaught = backbone.weights == "none"  # then there are no features to protect
    data = TileDataModule(fold, settings, machine)
    weights = class_weights(fold.train.label, classes, settings.class_weights)
    module = TileClassifier(
        network,
        architecture.mean,
        architecture.std,
        weights.tolist(),
        settings.learning_rate,
        settings.weight_decay,
        frozen=[] if untaught else _batch_norms(network),
    )
    state = folder / STATE
    resuming = _same_inputs(state, fold, backbone, settings)
    trainer = _trainer(folder, settings, machine)
    if trainer.world_size != machine.devices:
        fact = f"asked for {machine.devices} devices, {trainer.world_size} came together"
        remedy = "give the job that many, and under Slurm one task for each"
        raise HistotileError("training", fact, remedy)
    if resuming:
        trainer.fit(module, data, ckpt_path=state / "last.ckpt", weights_only=False)
    else:
        if not untaught:
            _fit_head(module, data, fold, settings)
        trainer.validate(module, data, verbose=False)
        if trainer.is_global_zero:
            torch.save(network.state_dict(), state / "start.pth")
        module.train()  # Lightning keeps whatever mode it finds
        trainer.fit(module, data)
    best = min(module.curve, key=lambda point: point.val_loss)
    network.load_state_dict(_best_state(state, best))
    return _outcome(module, architecture, best, trainer, settings)


def _fit_head(
    module: TileClassifier, data: TileDataModule, fold: FoldTiles, settings: Train
) -> None:
    """A logistic head on features of training tiles as they are, put into the network."""
    features = _features(module, data)
    numbers = features[1]
    selection = data.measured.selection
    groups = fold.patients(selection)[numbers]
    seen = Features(features[0], selection.label[numbers], groups)
    if len(np.unique(seen.labels)) == len(selection.classes):
        probe: Probe = fit_probe(
            seen, len(selection.classes), settings.class_weights, settings.seed
        )
        probe.fill(head(module.network))


def _features(module: TileClassifier, data: TileDataModule) -> tuple[Any, Any]:
    """What the head sees of each measured tile, and the tile's number."""
    seen: list[Tensor] = []
    hook = head(module.network).register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    module.to(device).eval()
    numbers = []
    with torch.inference_mode():
        for tiles, _, indices in data.probe_dataloader():
            module(tiles.to(device))
            numbers.append(indices)
    hook.remove()
    module.to("cpu")
    return torch.cat([s.flatten(1).cpu() for s in seen]).numpy(), torch.cat(numbers).numpy()


def _batch_norms(network: nn.Module) -> list[nn.Module]:
    """Layers whose running statistics come with the weights and are kept."""
    return [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]


def _trainer(folder: Path, settings: Train, machine: Machine) -> pl.Trainer:
    stop = EarlyStopping("val_loss", patience=settings.patience, mode="min")
    state: dict[str, Any] = {"dirpath": folder / STATE, "enable_version_counter": False}
    best = ModelCheckpoint(filename="best", monitor="val_loss", mode="min", **state)
    last = ModelCheckpoint(filename="last", **state)
    logger: Any = False
    if settings.tensorboard:
        from pytorch_lightning.loggers import TensorBoardLogger

        logger = TensorBoardLogger(folder, name="tensorboard", version="")
    return pl.Trainer(
        accelerator="auto",
        devices=machine.devices,
        strategy="ddp" if machine.devices > 1 else "auto",
        precision=precision(settings.precision),
        max_epochs=settings.epochs,
        callbacks=[stop, _EpochStart(settings.seed, machine), best, last],
        logger=logger,
        gradient_clip_val=1.0,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        reload_dataloaders_every_n_epochs=1,
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=1,
    )


class _EpochStart(pl.Callback):
    """Seeds each epoch by its number, and tells how far the training is."""

    def __init__(self, seed: int, machine: Machine) -> None:
        self.seed = seed
        self.machine = machine

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Drop-out then falls alike whether the training was interrupted or not."""
        torch.manual_seed((self.seed * 100_003 + trainer.current_epoch) * 64 + trainer.global_rank)

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Report progress."""
        if self.machine.progress is not None:
            steps = int(trainer.estimated_stepping_batches)
            self.machine.progress(trainer.global_step, steps)


def precision(name: str) -> Any:
    """Lightning's name for a number format; 16-bit floats only where there is a GPU."""
    gpu = torch.cuda.is_available()
    if name == "auto":
        name = "bf16" if gpu and torch.cuda.is_bf16_supported() else "32"
    if name == "16" and not gpu:
        name = "32"
    return {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}[name]


def _same_inputs(state: Path, fold: FoldTiles, backbone: Backbone, settings: Train) -> bool:
    """Whether the folder holds the state of this very training; other states are removed."""
    inputs = {
        "backbone": backbone.model_dump(mode="json"),
        "settings": settings.model_dump(mode="json"),
        "slides": [[s.slide_id, s.patient_id, s.role] for s in fold.slides],
        "tiles": [[len(s), int(s.x.sum()), int(s.y.sum())] for s in (fold.train, fold.val)],
    }
    path = state / "inputs.json"
    if path.is_file() and json.loads(path.read_text(encoding="utf-8")) == inputs:
        return (state / "last.ckpt").is_file()
    shutil.rmtree(state, ignore_errors=True)
    write_json(path, inputs)
    return False


def clear_state(folder: Path) -> None:
    """Remove what a finished training kept for the case of an interruption."""
    shutil.rmtree(folder / STATE, ignore_errors=True)


def _best_state(state: Path, best: Point) -> dict[str, Tensor]:
    if best.step == 0:
        start: dict[str, Tensor] = torch.load(state / "start.pth", weights_only=True)
        return start
    content = torch.load(state / "best.ckpt", map_location="cpu", weights_only=False)
    prefix = "network."
    weights: dict[str, Tensor] = content["state_dict"]
    return {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}


def _outcome(
    module: TileClassifier,
    architecture: Architecture,
    best: Point,
    trainer: pl.Trainer,
    settings: Train,
) -> Outcome:
    trained = sum(p.numel() for p in module.network.parameters() if p.requires_grad)
    return Outcome(
        network=module.network.cpu().eval(),
        architecture=architecture,
        curve=module.curve,
        best=best,
        trained_weights=trained,
        facts={
            "device": str(trainer.strategy.root_device),
            "devices": trainer.world_size,
            "precision": precision(settings.precision),
            "steps": trainer.global_step,
        },
        primary=trainer.is_global_zero,
    )
