"""The LightningModule: one training step, one measurement, the optimizer."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from histotile.backbones.build import Architecture
from histotile.config import Recipe
from histotile.tasks.task import Task, score
from histotile.training.learning_curve import Point
from histotile.training.optimizer import make_optimizer, rate_factor

Batch = tuple[Tensor, Tensor, Tensor]  # tiles uint8 NCHW, label, tile index


class Objective(NamedTuple):
    """The task whose loss becomes small, and the weights of that loss."""

    task: Task
    weights: Sequence[float]


class TileModule(pl.LightningModule):
    """A network that learns a task on tiles.

    Tiles arrive as uint8 and are normalised on the device.

    Args:
        network: Takes normalised float NCHW, gives (N, outputs of the task).
        architecture: Mean and standard deviation of the three channels.
        objective: What is learnt.
        recipe: Optimiser and rates of the parameters that require gradients.
        still: Modules that stay in evaluation while training: their running statistics do not
            move, nothing in them is dropped out. (A module frozen by `requires_grad` alone still
            drifts.)
        passes: Over the training tiles, in what Lightning counts as an epoch.
    """

    shift: Tensor
    scale: Tensor
    weights: Tensor

    def __init__(
        self,
        network: nn.Module,
        architecture: Architecture,
        objective: Objective,
        recipe: Recipe,
        still: Sequence[nn.Module] = (),
        passes: int = 1,
    ) -> None:
        super().__init__()
        self.network = network
        self.architecture = architecture
        self.task = objective.task
        self.recipe = recipe
        self.still = list(still)
        self.passes = passes
        self.curve: list[Point] = []
        shift, scale = (
            torch.tensor(values).view(1, 3, 1, 1) * 255
            for values in (architecture.mean, architecture.std)
        )
        self.register_buffer("shift", shift, persistent=False)
        self.register_buffer("scale", scale, persistent=False)
        self.register_buffer("weights", torch.tensor(objective.weights).float(), persistent=False)
        self._seen: dict[int, list[tuple[Tensor, Tensor, Tensor]]] = {0: [], 1: []}
        self._running: list[Tensor] = []

    def forward(self, tiles: Tensor) -> Tensor:
        """Logits (N, outputs) of uint8 tiles (N, 3, height, width)."""
        pixels = (tiles.float() - self.shift) / self.scale
        logits: Tensor = self.network(pixels.contiguous(memory_format=torch.channels_last))
        return logits

    def train(self, mode: bool = True) -> "TileModule":
        """As in PyTorch, but some modules stay in evaluation."""
        super().train(mode)
        for module in self.still:
            module.eval()
        return self

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the curve, so that a resumed training has all of it."""
        checkpoint["curve"] = [
            [float(value) if isinstance(value, float) else value for value in vars(point).values()]
            for point in self.curve
        ]  # NumPy's floats would come back by pickled code alone

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Continue the curve."""
        self.curve = [Point(*values) for values in checkpoint["curve"]]

    # Losses

    def training_step(self, batch: Batch, _: int) -> Tensor:
        """Loss of one batch of augmented tiles."""
        loss = self.loss(batch)
        self._running.append(loss.detach())
        return loss

    def loss(self, batch: Batch) -> Tensor:
        """What a step makes smaller."""
        tiles, labels, _indices = batch
        return self._mixed(tiles, labels) if self.recipe.mixup else self._loss(tiles, labels)

    def _loss(self, tiles: Tensor, labels: Tensor) -> Tensor:
        return self.task.loss(self(tiles).float(), labels, self.weights)

    def _mixed(self, tiles: Tensor, labels: Tensor) -> Tensor:
        """Loss of tiles blended in pairs: that of either label, in the shares of the blend.

        (timm's Mixup blends labels as classes; a loss can be blended whatever the task.)
        """
        alpha = torch.tensor(self.recipe.mixup)
        share = float(torch.distributions.Beta(alpha, alpha).sample())
        other = torch.randperm(len(tiles)).to(tiles.device)
        logits = self(share * tiles.float() + (1 - share) * tiles[other].float()).float()
        losses = (self.task.loss(logits, truth, self.weights) for truth in (labels, labels[other]))
        one, two = losses
        return share * one + (1 - share) * two

    def validation_step(self, batch: Batch, _: int, dataloader_idx: int = 0) -> None:
        """Collect logits; loader 0 holds val, loader 1 some training tiles as they are."""
        tiles, labels, indices = batch
        self._seen[dataloader_idx].append((self(tiles).float(), labels, indices))

    # Metrics

    def on_validation_epoch_end(self) -> None:
        """Add a point to the curve and log it."""
        val_logits, val_labels = self._collected(0)
        train_logits, train_labels = self._collected(1)
        if self.trainer.sanity_checking:
            return
        weights = self.weights.double().cpu().numpy()
        running = torch.stack(self._running).mean() if self._running else None
        self._running.clear()
        point = Point(
            step=(self.current_epoch + 1) * self.passes if self.trainer.state.fn == "fit" else 0,
            running_loss=None if running is None else float(self._gathered(running).mean()),
            train_loss=self.task.error(train_logits, train_labels, weights),
            val_loss=self.task.error(val_logits, val_labels, weights),
            val_score=score(self.task, self.task.activate(val_logits), val_labels),
        )
        self.curve.append(point)
        if point.running_loss is not None:
            self.log("running_loss", point.running_loss)
        self.log("train_loss", point.train_loss)
        self.log("val_loss", point.val_loss)
        self.log("val_score", math.nan if point.val_score is None else point.val_score)

    def _collected(self, loader: int) -> tuple[Any, Any]:
        """Logits and labels of all devices, each tile once."""
        parts = [torch.cat(column) for column in zip(*self._seen[loader], strict=True)]
        self._seen[loader].clear()
        logits, labels, indices = (
            self._gathered(part).reshape(-1, *part.shape[1:]).cpu().numpy() for part in parts
        )
        _, once = np.unique(indices, return_index=True)
        return logits[once].astype(np.float64), labels[once]

    def _gathered(self, tensor: Tensor) -> Tensor:
        everywhere: Any = self.all_gather(tensor)
        return torch.as_tensor(everywhere)

    # Optimiser

    def configure_optimizers(self) -> Any:
        """The recipe's optimizer with warm-up and cosine, stepped per batch."""
        optimizer = make_optimizer(self.network, self.recipe)
        steps, warm_up = int(self.trainer.estimated_stepping_batches), self.recipe.warm_up

        def rising(step: int) -> float:
            return rate_factor(step, steps, warm_up)

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rising)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }
