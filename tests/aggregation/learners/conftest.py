"""Planted slides: bags of features in which few tiles, or none, carry what the label says."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from histotile.aggregation.learners.bags import Bags
from histotile.config import LearnSlides
from histotile.config.yaml_file import read_config
from histotile.tasks.registry import make_task
from histotile.tasks.task import Task


@pytest.fixture
def learning(repository: Path) -> LearnSlides:
    """Section `learn_slides`, small."""
    settings = read_config(repository / "config" / "config.yaml").learn_slides
    attention = settings.attention.model_copy(
        update={"hidden": 32, "instances": 60, "min_steps": 200, "seeds": 1}
    )
    lesions = settings.lesions.model_copy(update={"trees": 50})
    return settings.model_copy(
        update={"attention": attention, "lesions": lesions, "bootstraps": 100}
    )


@pytest.fixture
def planted() -> Callable[[Task, int, float], tuple[Bags, list[np.ndarray]]]:
    """Bags of a task, and which tiles of each carry its label."""
    return plant


def plant(task: Task, slides: int, share: float, seed: int = 0) -> tuple[Bags, list[np.ndarray]]:
    """Bags of 60 to 100 tiles of 12 features; carrying tiles are shifted along the label's own.

    Two slides per patient; labels by turns; a number is the height of the shift.
    """
    generator = np.random.default_rng(seed)
    features, carriers, texts = [], [], []
    for row in range(slides):
        count = int(generator.integers(60, 100))
        tiles = generator.normal(size=(count, 12))
        carries = np.zeros(count, np.bool_)
        carries[generator.choice(count, max(1, round(share * count)), replace=False)] = True
        if task.kind == "regression":
            height = float(generator.uniform(0, 1))
            tiles[carries, 0] += 6 * height
            texts.append(str(height))
        elif task.kind == "multilabel":
            borne = [c for c in range(len(task.names)) if generator.uniform() < 0.5]
            for label in borne:
                tiles[carries, label] += 5
            texts.append(";".join(task.names[c] for c in borne) or "none")
        else:
            label = row // 2 % len(task.names)
            tiles[carries, label] += 5 if label else 0
            carries &= label > 0
            texts.append(task.names[label])
        features.append(tiles.astype(np.float16))
        carriers.append(carries)
    names = [f"s{row}" for row in range(slides)]
    bags = Bags(names, np.arange(slides) // 2, task.labels(texts), features)
    return bags, carriers


@pytest.fixture(params=["binary", "multiclass", "multilabel", "regression"])
def task(request: pytest.FixtureRequest) -> Task:
    """One of each kind."""
    names = {"binary": "ab", "multiclass": "abc", "multilabel": "xy", "regression": "n"}
    return make_task(tuple(names[request.param]), request.param)
