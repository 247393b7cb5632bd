"""Train a fold on its training patients; its test patients stay unseen."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from histotile.config import Train
from histotile.data.profiling.profiler import process_age_s
from histotile.stages.folds import Inputs, Network, fold_slides
from histotile.strategy.leakage.follow import follow
from histotile.training.job import Machine, Run
from histotile.training.resume import LAST, STATE
from histotile.training.train_fold import train_fold


@dataclass(frozen=True)
class Outputs:
    """Folder of model.ckpt, model.onnx, curves.csv, curves.svg and summary.json."""

    folder: Path


def run(
    inputs: Inputs,
    outputs: Outputs,
    settings: Train,
    network: Network,
    machine: Machine,
) -> None:
    """Writes the model of a fold, and how it was trained.

    Args:
        inputs: Tiles and the role of each patient.
        outputs: Where the model goes; an interrupted training goes on from there.
        settings: Section `train`.
        network: What is trained.
        machine: What trains.
    """
    fold = inputs.fold
    slides = fold_slides(inputs, ("train", "val"))
    found = follow(inputs.decision, inputs.accept).of_fold(fold) if inputs.decision else None
    decided = (found.strategy, tuple(found.early_stages)) if found else None
    if found and found.basis == "nothing":
        click.echo(f"{fold}: nothing learnable was measured; {found.strategy}, all the same")
    machine.profiler.start_s += process_age_s()
    try:
        run = Run(machine, decided, portable=True)
        summary = train_fold(outputs.folder, slides, network.task, network.backbone, settings, run)
    except SystemExit:
        _say_what_is_kept(fold, outputs.folder)
        raise
    _tell(fold, summary, machine)


def _tell(fold: str, summary: Mapping[str, Any], machine: Machine) -> None:
    click.echo(f"{fold}: {summary['best']}, {summary['seconds']:.0f} s")
    if summary["instead_of"]:
        click.echo(f"{fold}: {summary['diagnosis']['reason']}")
    if reason := summary.get("torch_only"):
        click.echo(f"{fold}: PyTorch alone can run it: {reason}")
    if "profiler" in summary:
        click.echo(f"{fold}: {machine.profiler.line()}")


def _say_what_is_kept(fold: str, folder: Path) -> None:
    """What an interrupted training goes on from."""
    state = folder / STATE / LAST
    kept = f"{state} is kept: the same command goes on from there" if state.is_file() else ""
    click.echo(f"{fold}: interrupted; {kept or 'no epoch was done yet, nothing is kept'}", err=True)
