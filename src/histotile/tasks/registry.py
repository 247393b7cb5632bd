"""Which tasks there are, and which one a table or a model is of."""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from histotile.errors import HistotileError
from histotile.io.tile_spec import TileSpec
from histotile.tasks.binary import Binary
from histotile.tasks.multiclass import Multiclass
from histotile.tasks.multilabel import Multilabel
from histotile.tasks.regression import Regression
from histotile.tasks.task import Task

if TYPE_CHECKING:
    from histotile.config import Config

AUTO = "auto"  # binary for two classes, else multiclass
TASKS: dict[str, Callable[..., Task]] = {
    "binary": Binary,
    "multiclass": Multiclass,
    "multilabel": Multilabel,
    "regression": Regression,
}
OF_TRAINING = (
    "smoothing",
    "focal_gamma",
    "trained_by",
    "is_bounded",
)  # no label hangs on these options
NOTHING: Mapping[str, Any] = MappingProxyType({})


def make_task(names: Iterable[str], kind: str = AUTO, options: Mapping[str, Any] = NOTHING) -> Task:
    """The task of that kind over these names, with what else it needs.

    Raises:
        HistotileError: There is no such kind.
    """
    given = tuple(names)
    if kind == AUTO:
        kind = "binary" if len(given) == 2 else "multiclass"
    if kind not in TASKS:
        raise HistotileError("task", f"{kind!r} is none", f"name one of {', '.join(TASKS)}")
    return TASKS[kind](given, **options)


def task_of(spec: TileSpec) -> Task:
    """The task of a tile table."""
    return make_task(spec.classes, spec.task or AUTO, spec.task_options)


def read_task(metadata: Mapping[str, Any]) -> Task:
    """The task that a model or table is of; older ones tell their classes alone."""
    kind, options = str(metadata.get("task", AUTO)), metadata.get("task_options", NOTHING)
    return make_task(metadata["classes"], kind, options)


def options_of(task: Task) -> Mapping[str, Any]:
    """What the task needs beside kind and names."""
    found: Mapping[str, Any] = task.metadata().get("task_options", NOTHING)
    return found


def tile_facts(task: Task) -> dict[str, Any]:
    """What a tile table says of its task: kind, names, and what its labels hang on."""
    facts = task.metadata()
    options = facts.pop("task_options", {})
    kept = {name: value for name, value in options.items() if name not in OF_TRAINING}
    return facts | ({"task_options": kept} if kept else {})


def config_task(config: "Config") -> Task:
    """The task that the settings ask for."""
    return make_task(config.classes, config.task.kind, config.task.options(of_training=True))


def settings_of(task: Task) -> dict[str, Any]:
    """Section `task` of the settings that make this task."""
    given = options_of(task)
    bounds = [given["low"], given["high"]] if "low" in given else None
    return {
        "kind": task.kind,
        "unit": given.get("unit", ""),
        "range": bounds,
        "activation": "sigmoid" if given.get("is_bounded") else "none",
        "loss": given.get("trained_by", "huber"),
        "label_smoothing": given.get("smoothing", 0.0),
        "focal_gamma": given.get("focal_gamma", 0.0),
    }


def check_values(path: object, facts: Mapping[str, Any], task: Task) -> None:
    """Nothing, if the values of a prediction table are such as the task reads.

    Args:
        path: Of the table.
        facts: Its footer; older ones tell no task.
        task: What reads them.

    Raises:
        HistotileError: They are of another task.
    """
    if "task" in facts and not _same(read_task(facts), task):
        fact = f"holds predictions of the task {read_task(facts)}, not {task}"
        raise HistotileError(path, fact, "predict again, or mend `task` and `classes`")


def check_task(path: object, spec: TileSpec, task: Task) -> None:
    """Nothing, if the labels of a tile table are such as the task reads.

    Raises:
        HistotileError: They are of another task.
    """
    if not _same(task_of(spec), task):
        fact = f"its tiles are labelled for the task {task_of(spec)}, not {task}"
        raise HistotileError(path, fact, "tile again, or mend `task` and `classes`")


def _same(made_for: Task, task: Task) -> bool:
    """Of class names either way: which classes count, the task says."""
    return made_for == task or (made_for.is_exclusive and task.is_exclusive)
