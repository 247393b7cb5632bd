"""Find the learning rate of a strategy on a fold's training tiles, before hours are spent."""

import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import torch

from histotile.config import Train
from histotile.errors import HistotileError
from histotile.io.atomic import write_json
from histotile.stages.folds import Inputs, Network, fold_slides
from histotile.stages.planned_training import planned_job
from histotile.training.job import Machine
from histotile.training.lr_finder import draw_range_test, range_test
from histotile.training.optimizer import make_optimizer
from histotile.training.start import begin, make_module
from histotile.training.strategies.approach import approach_of


@dataclass(frozen=True)
class Outputs:
    """Folder of find_lr.json and find_lr.svg."""

    folder: Path


def run(
    inputs: Inputs,
    outputs: Outputs,
    settings: Train,
    network: Network,
    machine: Machine,
    steps: int,
) -> None:
    """Writes how the loss goes while the rate rises, and which rate that suggests.

    Args:
        inputs: Tiles and the role of each patient; those of test are never read.
        outputs: Where the suggestion goes; no model is kept.
        settings: Section `train`.
        network: What is to be trained.
        machine: What trains.
        steps: From the lowest rate to the highest.

    Raises:
        HistotileError: The strategy learns without a rate, or as `train` says.
    """
    start = time.monotonic()
    if machine.threads is not None:
        torch.set_num_threads(machine.threads)
    torch.manual_seed(settings.seed)
    slides = fold_slides(inputs, ("train", "val"))
    job = planned_job(inputs, settings, network, machine, slides, outputs.folder)
    approach = approach_of(job)
    if approach is None:
        fact = f"{job.strategy} has no learning rate: its head is fitted exactly"
        raise HistotileError("train.strategy", fact, "--set strategy=finetune, or retrain")
    module, data = make_module(job, approach)
    begin(module, data, job, approach)
    tested = range_test(module, data.train_dataloader(), steps, data.plan.portions)
    optimizer = approach.recipe.optimizer
    facts = {
        "strategy": job.strategy,
        "optimizer": optimizer,
        "setting": f"train.{approach.section}.{'sgd' if optimizer == 'sgd' else 'adamw'}_lr",
        "in_force": make_optimizer(module.network, approach.recipe).param_groups[-1]["lr"],
        "batch_size": data.plan.batches.size * data.plan.portions,
        "seed": settings.seed,
        "seconds": time.monotonic() - start,
    }
    outputs.folder.mkdir(parents=True, exist_ok=True)
    told = asdict(tested)  # JSON has no number for a loss that is none
    told |= {"loss": [loss if math.isfinite(loss) else None for loss in tested.loss]}
    told |= {"smoothed": [loss if math.isfinite(loss) else None for loss in tested.smoothed]}
    write_json(outputs.folder / "find_lr.json", {**facts, **told})
    draw_range_test(outputs.folder / "find_lr.svg", tested, facts["in_force"])
    _tell(inputs.fold, facts, asdict(tested))


def _tell(fold: str, facts: Mapping[str, Any], tested: Mapping[str, Any]) -> None:
    click.echo(f"{fold}: {tested['reason']} ({facts['seconds']:.0f} s)")
    if tested["suggestion"] is None:
        click.echo(
            f"{fold}: no rate is suggested. Are the labels right? A head begun by a probe may also "
            "be as good as its layers allow: then the loss on val that `train` shows counts"
        )
        return
    click.echo(
        f"{fold}: {facts['setting']}: {tested['suggestion']:.2g} (steepest descent); second "
        f"opinion: {tested['second_opinion']:.2g} (a tenth of the rate of the least loss); in "
        f"force: {facts['in_force']:.2g}"
    )
