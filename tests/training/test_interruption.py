"""A training that is told to stop keeps its state, says so, and exits as shells expect."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from histotile.config import Backbone, Train
from histotile.training.job import FoldSlide

Command = list[str]


@pytest.fixture
def command(
    tmp_path: Path,
    fold: list[FoldSlide],
    make_settings: Callable[..., Train],
    tiny_backbone: Backbone,
) -> Callable[[Path], Command]:
    """The line that trains a fold by gradients into a folder, in an epoch or two per second."""
    rows = [f"0,{s.slide_id},{s.patient_id},,,{s.role}" for s in fold]
    folds = tmp_path / "folds.csv"
    folds.write_text("\n".join(["fold,slide_id,patient_id,site,label,role", *rows, ""]))
    settings = make_settings(strategy="finetune", epochs=24, patience=24, max_tiles_per_slide=16)

    def line(folder: Path) -> Command:
        given = {
            "--folds": folds,
            "--tiles": fold[0].tiles.parent,
            "--classes": "healthy,tumour",
            "--backbone": tiny_backbone.model_dump_json(),
            "--settings": settings.model_dump_json(),
            "--threads": 1,
            "-o": folder,
        }
        words = [str(word) for pair in given.items() for word in pair]
        return [sys.executable, "-m", "histotile", "train", "fold0", *words]

    return line


def stopped(line: Command, state: Path, number: signal.Signals) -> tuple[int, str]:
    """Exit code and standard error of a training that gets a signal after its first epoch."""
    with subprocess.Popen(line, stdout=-1, stderr=-1, text=True, env=dict(os.environ)) as process:
        while not (state / "last.ckpt").is_file():
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    return process.returncode, errors


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)]
)
def test_a_stopped_training_keeps_its_state_and_says_so(
    tmp_path: Path, command: Callable[[Path], Command], number: signal.Signals
) -> None:
    folder = tmp_path / "fold0"
    code, errors = stopped(command(folder), folder / "checkpoints", number)
    assert code == 128 + number, errors
    assert "the same command goes on from there" in errors
    assert "Traceback" not in errors
    assert not (folder / "model.ckpt").exists()
    assert (folder / "checkpoints" / "last.ckpt").is_file()


@pytest.mark.slow
def test_a_stopped_training_ends_as_if_it_had_not_been(
    tmp_path: Path, command: Callable[[Path], Command]
) -> None:
    subprocess.run(command(tmp_path / "whole"), check=True)
    cut = tmp_path / "cut"
    stopped(command(cut), cut / "checkpoints", signal.SIGTERM)
    subprocess.run(command(cut), check=True)
    whole, again = (
        json.loads((tmp_path / name / "summary.json").read_text()) for name in ("whole", "cut")
    )
    assert again["model_id"] == whole["model_id"]
