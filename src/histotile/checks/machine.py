"""This machine: where it may write, what is free, and what computes."""

import os
import shutil
import tempfile
from pathlib import Path

from histotile.checks.problem import Problem
from histotile.config import Config
from histotile.inference.engines.hardware import has_gpu, installed

_MODULES = {"torch": "torch", "openvino": "openvino", "onnxruntime": "onnxruntime"}


def check_machine(config: Config) -> list[Problem]:
    """Whether results can be written, and the engine that was asked for is there."""
    problems = []
    folder = nearest_folder(Path(config.results))
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        fact = f"nothing can be written to {folder} ({error.strerror})"
        remedy = "choose another folder for `results`, or mend its permissions"
        problems.append(Problem("error", "results", fact, remedy))
    name = config.engine.name
    if name in _MODULES and not installed(_MODULES[name]):
        fact = f"{name!r} is not installed here"
        problems.append(Problem("error", "engine.name", fact, "install it, or write `auto`"))
    trained = config.train.strategy in {"finetune", "retrain"} or config.verify.budget == "full"
    if trained and not has_gpu():
        fact = "all layers are trained, and this machine has no GPU: that takes hours"
        remedy = "train on another machine, or see the forecast"
        problems.append(Problem("warning", "train.strategy", fact, remedy))
    return problems


def check_room(config: Config, needed_bytes: float, most_mb: float) -> list[Problem]:
    """Free space and memory against the forecast.

    Args:
        config: The settings: where results go.
        needed_bytes: What all results will take.
        most_mb: Memory of the largest job.
    """
    problems = []
    folder = nearest_folder(Path(config.results))
    free = shutil.disk_usage(folder).free
    if needed_bytes > free:
        fact = f"results will take about {needed_bytes / 1e9:.1f} GB, {free / 1e9:.1f} GB are free"
        problems.append(Problem("error", f"{folder}", fact, "free space, or set `results`"))
    memory = memory_mb()
    if most_mb > memory:
        fact = f"the largest job will take about {most_mb / 1e3:.1f} GB of {memory / 1e3:.1f} GB"
        remedy = "run it on a larger machine, or choose a smaller network"
        problems.append(Problem("error", "memory", fact, remedy))
    return problems


def describe_machine() -> str:
    """Cores, memory and GPU in a line."""
    gpu = "a GPU" if has_gpu() else "no GPU"
    return f"{os.cpu_count()} cores, {memory_mb() / 1e3:.0f} GB memory, {gpu}"


def memory_mb() -> float:
    """All memory of this machine, MB."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e6


def nearest_folder(path: Path) -> Path:
    """The folder itself, or the nearest one above that exists."""
    path = path.absolute()
    while not path.is_dir():
        path = path.parent
    return path
