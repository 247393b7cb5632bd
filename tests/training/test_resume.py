"""Trainings that were interrupted go on; others start anew."""

import csv
import os
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment

from histotile.backbones.build import build_network
from histotile.config import Backbone, Pack, Train
from histotile.data.packs.pack_writer import pack_tiles
from histotile.io import tables
from histotile.tasks.registry import make_task
from histotile.training.job import FoldSlide, Job, Machine, Run, gather_tiles
from histotile.training.learning_curve import Point
from histotile.training.resume import STATE, kept_state, same_inputs
from histotile.training.train_fold import train_fold

CLASSES = ("healthy", "tumour")
TASK = make_task(CLASSES)
Settings = Callable[..., Train]
Slides = list[FoldSlide]


def points(folder: Path) -> list[dict[str, str]]:
    with (folder / "curves.csv").open(newline="") as file:
        return list(csv.DictReader(file))


class InterruptedHereError(Exception):
    pass


@pytest.mark.parametrize(
    "strategy",
    [
        "finetune",
        pytest.param("retrain", marks=pytest.mark.slow),
        pytest.param("retrain_tail", marks=pytest.mark.slow),
    ],
)
def test_interrupted_training_goes_on_as_if_nothing_had_happened(
    tmp_path: Path, fold: Slides, make_settings: Settings, tiny_backbone: Backbone, strategy: str
) -> None:
    if strategy == "retrain_tail":
        settings = make_settings(strategy="auto", early_probe=strategy, rate=1e-4)
        decided: Any = ("early_probe", (2,))
    else:
        settings, decided = make_settings(strategy=strategy, rate=1e-4), None
    whole = train_fold(
        tmp_path / "whole", fold, TASK, tiny_backbone, settings, Run(decided=decided)
    )
    steps: list[int] = []

    def stop(done: int, total: int) -> None:
        steps.append(done)
        if done == 25:  # in the third of four epochs of ten steps
            raise InterruptedHereError

    cut = tmp_path / "cut"
    with pytest.raises(InterruptedHereError):
        train_fold(cut, fold, TASK, tiny_backbone, settings, Run(Machine(progress=stop), decided))
    assert not (cut / "model.ckpt").exists()
    resumed = Machine(progress=lambda done, total: steps.append(done))
    again = train_fold(cut, fold, TASK, tiny_backbone, settings, Run(resumed, decided))
    assert steps[:25] == list(range(1, 26))
    assert steps[25] == 21  # after the last whole epoch, not from the start
    assert points(cut) == points(tmp_path / "whole")
    assert again["model_id"] == whole["model_id"]
    assert not (cut / "checkpoints").exists()


def test_rounds_of_several_epochs_resume_too(
    tmp_path: Path, fold: Slides, make_settings: Settings, tiny_backbone: Backbone
) -> None:
    settings = make_settings(strategy="retrain", epochs=41, max_tiles_per_slide=1, patience=4)
    whole = train_fold(tmp_path / "whole", fold, TASK, tiny_backbone, settings)
    assert (whole["planned_epochs"], whole["epochs_per_point"]) == (42, 2)
    steps = [float(p["step"]) for p in points(tmp_path / "whole")]
    assert steps == [2.0 * n for n in range(len(steps))]

    def stop(done: int, total: int) -> None:
        assert total == 84  # 42 epochs of two batches of five tiles
        if done == 7:
            raise InterruptedHereError

    cut = tmp_path / "cut"
    with pytest.raises(InterruptedHereError):
        train_fold(cut, fold, TASK, tiny_backbone, settings, Run(Machine(progress=stop)))
    again = train_fold(cut, fold, TASK, tiny_backbone, settings)
    assert points(cut) == points(tmp_path / "whole")
    assert again["model_id"] == whole["model_id"]


def test_state_of_another_training_is_not_resumed(
    tmp_path: Path, fold: Slides, make_settings: Settings, tiny_backbone: Backbone
) -> None:
    def stop(done: int, total: int) -> None:
        if done == 15:
            raise InterruptedHereError

    folder = tmp_path / "f"
    settings = make_settings(strategy="finetune")
    with pytest.raises(InterruptedHereError):
        train_fold(folder, fold, TASK, tiny_backbone, settings, Run(Machine(progress=stop)))
    steps: list[int] = []
    machine = Machine(progress=lambda done, total: steps.append(done))
    changed = make_settings(strategy="finetune", rate=2e-3, epochs=2)
    train_fold(folder, fold, TASK, tiny_backbone, changed, Run(machine))
    assert steps[0] == 1


@pytest.fixture
def interrupted(
    tmp_path: Path, fold: Slides, make_settings: Settings, tiny_backbone: Backbone
) -> Path:
    """Folder of a training that got through its first epoch of ten steps."""

    def stop(done: int, total: int) -> None:
        if done == 15:
            raise InterruptedHereError

    settings, folder = make_settings(strategy="finetune", patience=4), tmp_path / "interrupted"
    with pytest.raises(InterruptedHereError):
        train_fold(folder, fold, TASK, tiny_backbone, settings, Run(Machine(progress=stop)))
    return folder


class ReachedError(Exception):
    pass


@pytest.fixture
def first_step(
    interrupted: Path, make_settings: Settings, tiny_backbone: Backbone
) -> Callable[..., int]:
    """The first step of the training when it is begun again."""

    def begin(slides: Slides) -> int:
        steps: list[int] = []

        def note(done: int, total: int) -> None:
            steps.append(done)
            raise ReachedError

        settings = make_settings(strategy="finetune", patience=4)
        with pytest.raises(ReachedError):
            train_fold(
                interrupted, slides, TASK, tiny_backbone, settings, Run(Machine(progress=note))
            )
        return steps[0]

    return begin


def test_unchanged_inputs_are_resumed(first_step: Callable[..., int], fold: Slides) -> None:
    assert first_step(fold) == 11


def test_labels_corrected_meanwhile_begin_anew(
    first_step: Callable[..., int], fold: Slides, tmp_path: Path
) -> None:
    slide = fold[0]
    table = tables.read_table(slide.tiles)
    columns = {name: table[name].to_pylist() for name in table.column_names}
    mirrored = {"healthy": "tumour", "tumour": "healthy"}
    columns["label"] = [mirrored[label] for label in columns["label"]]
    corrected = tmp_path / "corrected.parquet"  # as many tiles, at the same places
    footer = tables.read_footer(slide.tiles)
    tables.write_table(corrected, columns, tables.TILES, footer)
    assert first_step([replace(slide, tiles=corrected), *fold[1:]]) == 1


def test_a_slide_changed_meanwhile_begins_anew(
    first_step: Callable[..., int], fold: Slides
) -> None:
    path = Path(str(tables.read_footer(fold[0].tiles)["path"]))
    before = path.read_bytes()
    try:
        path.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
        assert first_step(fold) == 1
    finally:
        path.write_bytes(before)


def test_other_code_begins_anew(
    first_step: Callable[..., int], fold: Slides, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("histotile.training.resume.digest", lambda *_: "another")
    assert first_step(fold) == 1


class Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("name", ["last.ckpt", "best.ckpt", "start.pth"])
def test_a_planted_state_runs_no_code(
    first_step: Callable[..., int],
    interrupted: Path,
    fold: Slides,
    tmp_path: Path,
    name: str,
) -> None:
    planted, mark = interrupted / STATE / name, tmp_path / "mark"
    content = torch.load(planted, weights_only=True)
    torch.save({**content, "trap": Trap(mark)}, planted)
    if name != "last.ckpt":
        with pytest.raises(pickle.UnpicklingError):
            point = Point(name == "best.ckpt", None, 0.0, 0.0, None)
            kept_state(interrupted / STATE, point, "best.ckpt")
    assert first_step(fold) == 1
    assert not mark.exists()
    torch.save({"trap": Trap(mark)}, tmp_path / "again")
    torch.load(tmp_path / "again", weights_only=False)
    assert mark.exists()  # the trap does work


def test_a_state_cut_short_begins_anew(
    first_step: Callable[..., int], interrupted: Path, fold: Slides
) -> None:
    last = interrupted / STATE / "last.ckpt"
    last.write_bytes(last.read_bytes()[:1000])
    assert first_step(fold) == 1


def test_states_left_in_the_working_folder_are_not_taken(
    first_step: Callable[..., int],
    interrupted: Path,
    fold: Slides,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)  # under Slurm, Lightning looks for `hpc_ckpt_*` by itself
    (interrupted / STATE / "last.ckpt").rename(tmp_path / "hpc_ckpt_1.ckpt")
    monkeypatch.setattr(SLURMEnvironment, "detect", staticmethod(lambda: True))
    for name, value in {"SLURM_NTASKS": "1", "SLURM_JOB_ID": "1", "SLURM_LOCALID": "0"}.items():
        monkeypatch.setenv(name, value)
    assert first_step(fold) == 1


def test_state_of_other_pixels_is_not_resumed(
    tmp_path: Path, fold: Slides, make_settings: Settings, tiny_backbone: Backbone
) -> None:
    settings, tiles = make_settings(strategy="finetune"), gather_tiles(fold, TASK, 100, 0)
    for quality in (0, 50):
        for slide in fold:
            pack = tmp_path / str(quality) / f"{slide.slide_id}.pack"
            pack_tiles(slide.tiles, pack, Pack(use="always", quality=quality))

    def resumes(packs: Path | None) -> bool:
        job = Job(
            tmp_path, tiles, tiny_backbone, settings, Machine(packs=packs), "finetune", stages=()
        )
        same = same_inputs(tmp_path / STATE, job, network)
        for name in ("last.ckpt", "best.ckpt", "start.pth"):
            torch.save({}, tmp_path / STATE / name)
        return same

    network, _ = build_network(tiny_backbone, 2, 64)
    assert not resumes(None)
    assert resumes(None)
    assert not resumes(tmp_path / "0")
    assert not resumes(tmp_path / "50")
    assert resumes(tmp_path / "50")
