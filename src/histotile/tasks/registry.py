"""Which tasks there are, and which one a table or a model is of."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from histotile.errors import HistotileError
from histotile.io.tile_spec import TileSpec
from histotile.tasks.binary import Binary
from histotile.tasks.multiclass import Multiclass
from histotile.tasks.task import Task

AUTO = "auto"  # binary for two classes, else multiclass
TASKS: dict[str, Callable[[tuple[str, ...]], Task]] = {
    "binary": Binary,
    "multiclass": Multiclass,
}


def make_task(names: Iterable[str], kind: str = AUTO) -> Task:
    """The task of that kind over these names.

    Raises:
        HistotileError: There is no such kind.
    """
    given = tuple(names)
    if kind == AUTO:
        kind = "binary" if len(given) == 2 else "multiclass"
    if kind not in TASKS:
        raise HistotileError("task", f"{kind!r} is none", f"name one of {', '.join(TASKS)}")
    return TASKS[kind](given)


def task_of(spec: TileSpec) -> Task:
    """The task of a tile table."""
    return make_task(spec.classes, spec.task or AUTO)


def read_task(metadata: Mapping[str, Any]) -> Task:
    """The task that a model or table is of; older ones tell their classes alone."""
    return make_task(metadata["classes"], str(metadata.get("task", AUTO)))
