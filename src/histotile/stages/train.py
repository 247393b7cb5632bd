"""Train a fold on its training patients; its test patients stay unseen."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import click

from histotile.config import Train
from histotile.data.profiling.profiler import process_age_s
from histotile.stages.folds import Inputs, Network, fold_slides
from histotile.strategy.leakage.follow import follow
from histotile.training.job import Machine, Run
from histotile.training.learning_curve import Point, curve_line
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
    decision = follow(inputs.decision, inputs.accept) if inputs.decision else None
    found = decision.of_fold(fold) if decision else None
    icc = decision.size.icc if decision else None
    decided = (found.strategy, tuple(found.early_stages)) if found else None
    if found and found.basis == "nothing":
        click.echo(f"{fold}: nothing learnable was measured; {found.strategy}, all the same")
    machine.profiler.start_s += process_age_s()
    try:
        task = network.task
        machine = replace(machine, show=partial(_show, fold, task.score_name))
        run = Run(machine, decided, portable=True, icc=icc)
        summary = train_fold(outputs.folder, slides, task, network.backbone, settings, run)
    except SystemExit:
        _say_what_is_kept(fold, outputs.folder)
        raise
    _tell(fold, summary, machine)


def _show(fold: str, score_name: str, curve: Sequence[Point], xlabel: str) -> None:
    """A line for each new point; over the line of progress, where that is one that moves."""
    line = curve_line(curve, xlabel, score_name)
    encoding = sys.stdout.encoding or "ascii"
    line = line.encode(encoding, "replace").decode(encoding)
    over = "\r\033[K" if sys.stdout.isatty() and sys.stderr.isatty() else ""
    click.echo(f"{over}{fold}: {line}")


def _tell(fold: str, summary: Mapping[str, Any], machine: Machine) -> None:
    click.echo(f"{fold}: {summary['best']}, {summary['seconds']:.0f} s")
    diagnosis = summary["diagnosis"]
    click.echo(f"{fold}: {diagnosis['verdict']}: {diagnosis['reason']}")
    for remedy in diagnosis["remedies"]:
        click.echo(f"{fold}: try {remedy}")
    samples = f"{summary['independent_samples']:.0f} independent samples"
    samples += "" if summary["icc"] is not None else " (each patient and class counted once)"
    weights = f"{summary['trained_weights']:,} trained weights"
    click.echo(f"{fold}: {weights}, {samples}: {summary['weights_per_sample']:,.1f} each")
    if reason := summary.get("torch_only"):
        click.echo(f"{fold}: PyTorch alone can run it: {reason}")
    if "profiler" in summary:
        click.echo(f"{fold}: {machine.profiler.line()}")


def _say_what_is_kept(fold: str, folder: Path) -> None:
    """What an interrupted training goes on from."""
    state = folder / STATE / LAST
    kept = f"{state} is kept: the same command goes on from there" if state.is_file() else ""
    click.echo(f"{fold}: interrupted; {kept or 'no epoch was done yet, nothing is kept'}", err=True)
