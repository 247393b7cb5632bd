"""What is told of divisions that are not fresh."""

from dataclasses import replace
from pathlib import Path

import pytest

from histotile.config import Backbone, Train
from histotile.config.yaml_file import read_config
from histotile.strategy.tuning.fresh import same_parts
from histotile.strategy.tuning.measure import Trainings
from histotile.tasks.registry import make_task
from histotile.training.job import FoldSlide, Machine


def division(*parts: str) -> list[list[FoldSlide]]:
    """Inner folds that test these slides in turn, of all slides."""
    names = "".join(parts)
    slides = [FoldSlide(name, name, "train", Path()) for name in names]
    return [
        [replace(s, role="test") if s.slide_id in part else s for s in slides] for part in parts
    ]


@pytest.mark.parametrize(
    ("repeats", "told"),
    [
        ([("ab", "cd"), ("bc", "ad")], "1 of 2 repeats"),
        ([("cd", "ab"), ("dc", "ba")], "2 of 2 repeats"),  # in another order
        ([("ac", "bd"), ("ad", "bc")], ""),
    ],
)
def test_repeats_that_test_the_parts_of_the_search_are_told(
    repository: Path, repeats: list[tuple[str, str]], told: str
) -> None:
    train: Train = read_config(repository / "config" / "config.yaml").train
    backbone = Backbone(name="resnet18", weights="none", domain="auto", options={})
    divisions = [division("ab", "cd"), *(division(*parts) for parts in repeats)]
    task = make_task(("healthy", "tumour"))
    found = same_parts(Trainings(divisions, backbone, task, train, ("finetune", ()), Machine()))
    assert len(found) == bool(told) and told in " ".join(found)
