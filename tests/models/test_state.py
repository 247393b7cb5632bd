"""Trainings that were interrupted go on; others start anew."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from histotile.config import Backbone, Pack, Train
from histotile.models.fold import FoldSlide, Job, Machine, gather_tiles
from histotile.models.state import STATE, same_inputs
from histotile.models.training import train_fold
from histotile.tiles.packing import pack_tiles

CLASSES = ("healthy", "tumour")
Settings = Callable[..., Train]
Slides = list[FoldSlide]


def points(folder: Path) -> list[dict[str, str]]:
    with (folder / "curves.csv").open(newline="") as file:
        return list(csv.DictReader(file))


class InterruptedHereError(Exception):
    pass


@pytest.mark.parametrize("strategy", ["finetune", "init", "retrain_tail"])
def test_interrupted_training_goes_on_as_if_nothing_had_happened(
    tmp_path: Path, fold: Slides, make_settings: Settings, tiny_backbone: Backbone, strategy: str
) -> None:
    if strategy == "retrain_tail":
        settings = make_settings(strategy="auto", early_fixed=strategy, rate=1e-4)
        decided: Any = ("early_fixed", 2)
    else:
        settings, decided = make_settings(strategy=strategy, rate=1e-4), None
    whole = train_fold(tmp_path / "whole", fold, CLASSES, tiny_backbone, settings, decided=decided)
    steps: list[int] = []

    def stop(done: int, total: int) -> None:
        steps.append(done)
        if done == 25:  # in the third of four epochs of ten steps
            raise InterruptedHereError

    cut = tmp_path / "cut"
    with pytest.raises(InterruptedHereError):
        train_fold(cut, fold, CLASSES, tiny_backbone, settings, Machine(progress=stop), decided)
    assert not (cut / "model.ckpt").exists()
    resumed = Machine(progress=lambda done, total: steps.append(done))
    again = train_fold(cut, fold, CLASSES, tiny_backbone, settings, resumed, decided)
    assert steps[:25] == list(range(1, 26))
    assert steps[25] == 21  # after the last whole epoch, not from the start
    assert points(cut) == points(tmp_path / "whole")
    assert again["model_id"] == whole["model_id"]
    assert not (cut / "checkpoints").exists()


def test_rounds_of_several_epochs_resume_too(
    tmp_path: Path, fold: Slides, make_settings: Settings, tiny_backbone: Backbone
) -> None:
    settings = make_settings(strategy="init", epochs=41, max_tiles_per_slide=1, patience=0.1)
    whole = train_fold(tmp_path / "whole", fold, CLASSES, tiny_backbone, settings)
    assert (whole["planned_epochs"], whole["epochs_per_point"]) == (42, 2)
    steps = [float(p["step"]) for p in points(tmp_path / "whole")]
    assert steps == [2.0 * n for n in range(len(steps))]

    def stop(done: int, total: int) -> None:
        assert total == 84  # 42 epochs of two batches of five tiles
        if done == 7:
            raise InterruptedHereError

    cut = tmp_path / "cut"
    with pytest.raises(InterruptedHereError):
        train_fold(cut, fold, CLASSES, tiny_backbone, settings, Machine(progress=stop))
    again = train_fold(cut, fold, CLASSES, tiny_backbone, settings)
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
        train_fold(folder, fold, CLASSES, tiny_backbone, settings, Machine(progress=stop))
    steps: list[int] = []
    machine = Machine(progress=lambda done, total: steps.append(done))
    changed = make_settings(strategy="finetune", rate=2e-3, epochs=2)
    train_fold(folder, fold, CLASSES, tiny_backbone, changed, machine)
    assert steps[0] == 1


def test_state_of_other_pixels_is_not_resumed(
    tmp_path: Path, fold: Slides, make_settings: Settings, tiny_backbone: Backbone
) -> None:
    settings, tiles = make_settings(strategy="finetune"), gather_tiles(fold, CLASSES, 100, 0)
    for quality in (0, 50):
        for slide in fold:
            pack = tmp_path / str(quality) / f"{slide.slide_id}.pack"
            pack_tiles(slide.tiles, pack, Pack(use="always", quality=quality))

    def resumes(packs: Path | None) -> bool:
        job = Job(
            tmp_path, tiles, tiny_backbone, settings, Machine(packs=packs), "finetune", stage=None
        )
        same = same_inputs(tmp_path / STATE, job)
        (tmp_path / STATE / "last.ckpt").touch()
        return same

    assert not resumes(None)
    assert resumes(None) and resumes(tmp_path / "0")
    assert not resumes(tmp_path / "50")
    assert resumes(tmp_path / "50")
    assert not resumes(tmp_path / "0")
