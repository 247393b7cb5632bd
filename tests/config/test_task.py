"""What does not fit together in `task`, `classes`, and the settings that hang on them."""

import math
from pathlib import Path
from typing import Any

import pytest

from histotile.config import Config
from histotile.config.yaml_file import over_standard, validate
from histotile.errors import HistotileError
from histotile.tasks.registry import config_task, make_task, read_task, settings_of

NUMBER: dict[str, Any] = {
    "classes": ["marked"],
    "task": {"kind": "regression", "range": [0, 100], "unit": "%"},
    "aggregate": {"method": "mean"},
}


def configured(repository: Path, changes: dict[str, Any], outside: str | None = None) -> Config:
    settings = over_standard(changes, repository / "config/config.yaml")
    settings["tile"]["labels"] |= {"names": {}, "outside": outside}
    return validate(Config, settings, "test")


@pytest.mark.parametrize(
    ("changes", "outside", "words"),
    [
        ({"classes": ["a"]}, None, "auto takes at least 2"),
        ({"classes": ["a", "b", "c"], "task": {"kind": "binary"}}, None, "binary takes 2"),
        ({"classes": ["none"], "task": {"kind": "multilabel"}}, None, "'none'"),
        ({"classes": ["a;b", "c"], "task": {"kind": "multilabel"}}, None, "'a;b'"),
        ({"classes": ["a", "b"], "task": {"kind": "multilabel"}}, "a", "bears no label"),
        (NUMBER | {"classes": ["a", "b"]}, None, "regression takes 1"),
        (NUMBER | {"aggregate": {"method": "top_k"}}, None, "looks for lesions"),
        (NUMBER | {"task": {"kind": "regression"}}, None, "least and greatest"),
        (NUMBER | {"task": NUMBER["task"] | {"range": [5, 5]}}, None, "least and greatest"),
        (NUMBER | {"task": NUMBER["task"] | {"range": [0, math.inf]}}, None, "least and greatest"),
        (NUMBER | {"task": NUMBER["task"] | {"focal_gamma": 2}}, None, "no label_smoothing"),
        (NUMBER, "marked", "no class"),
        ({"task": {"range": [0, 1]}}, "healthy", "of a regression"),
    ],
)
def test_what_does_not_fit_is_named(
    repository: Path, changes: dict[str, Any], outside: str | None, words: str
) -> None:
    with pytest.raises(HistotileError, match=words):
        configured(repository, changes, outside)


def test_the_shipped_settings_are_what_they_were(repository: Path) -> None:
    config = configured(repository, {}, "healthy")
    assert config.task.facts(config.classes, of_training=True) == ["healthy", "tumour"]
    assert config_task(config).metadata() == {"task": "binary", "classes": ["healthy", "tumour"]}


@pytest.mark.parametrize(
    "changes",
    [
        {"task": {"label_smoothing": 0.1}},
        {"classes": ["a", "b"], "task": {"kind": "multilabel", "focal_gamma": 2.0}},
        NUMBER,
    ],
)
def test_a_job_line_and_a_model_give_the_task_back(
    repository: Path, changes: dict[str, Any]
) -> None:
    config = configured(repository, changes)
    task = config_task(config)
    facts = config.task.facts(config.classes, of_training=True)
    assert read_task(facts).metadata() == task.metadata()
    less = read_task(given) if isinstance(given := _less(config), dict) else make_task(given)
    assert less == task  # how it is trained stands on the lines of training alone
    again = settings_of(task)
    assert (
        config_task(configured(repository, changes | {"task": again})).metadata() == task.metadata()
    )


def _less(config: Config) -> Any:
    return config.task.facts(config.classes, of_training=False)
