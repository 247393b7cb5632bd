"""Settings of what is learnt: its kind, and what that kind needs."""

import math
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from histotile.config.values import Section

NONE_OF_THEM = "none"  # the label of what bears none of several labels
SEPARATOR = ";"  # between the labels of one tile or slide


class TaskSettings(Section):
    """What is learnt of a tile; see docs/tasks.md for which task suits which labels."""

    kind: Literal["auto", "binary", "multiclass", "multilabel", "regression"] = Field(
        description="`auto`: `binary` for two `classes`, `multiclass` for more. `multilabel`: any "
        "of `classes` at once (`a;b`, or `none`). `regression`: a number, whose name is the one "
        "entry of `classes`."
    )
    unit: str = Field(description="Unit of the number of a regression, e.g. `%`. Empty: none.")
    range: tuple[float, float] | None = Field(
        description="Least and greatest number that a regression may meet: the scale of its maps, "
        "and labels outside are refused. Numbers are learnt as shares of it. null otherwise."
    )
    activation: Literal["none", "sigmoid"] = Field(
        description="`sigmoid` keeps the numbers of a regression within `range`; `none` does not."
    )
    loss: Literal["huber", "mean_absolute", "mean_square"] = Field(
        description="Loss of a regression that trains layers (linear probes take the mean "
        "square). `huber`: squares below a tenth of `range`, absolute above, so that odd labels "
        "weigh less."
    )
    label_smoothing: Annotated[float, Field(ge=0, lt=0.5)] = Field(
        description="Share of a label spread evenly over all classes while layers are trained; 0.1 "
        "where outlines are rough. Not for a regression."
    )
    focal_gamma: Annotated[float, Field(ge=0, le=5)] = Field(
        description="How much less tiles weigh that are already told well while layers are trained "
        "(focal loss, Lin et al. 2017); 2 where easy tiles are many. 0: all alike. Not for a "
        "regression."
    )

    def options(self, of_training: bool) -> dict[str, Any]:
        """What the task needs beside kind and names; `of_training`: also how it is trained."""
        found: dict[str, Any] = {}
        if self.kind == "regression":
            assert self.range is not None, "checked below"
            found = {"unit": self.unit, "low": self.range[0], "high": self.range[1]}
            learnt = {"is_bounded": self.activation == "sigmoid", "trained_by": self.loss}
            return found | (learnt if of_training else {})
        if of_training and self.label_smoothing:
            found["smoothing"] = self.label_smoothing
        if of_training and self.focal_gamma:
            found["focal_gamma"] = self.focal_gamma
        return found

    def facts(self, names: Sequence[str], of_training: bool) -> Any:
        """What `registry.read_task` reads: the names alone, or an object with kind and options."""
        options = self.options(of_training)
        if self.kind == "auto" and not options:
            return list(names)
        facts = {"task": self.kind, "classes": list(names)}
        return facts | ({"task_options": options} if options else {})

    def problems(self, names: Sequence[str], outside: str | None, pooled: str) -> list[str]:
        """What does not fit, given `classes`, `tile.labels.outside` and `aggregate.method`."""
        counts = {"regression": (1, 1), "binary": (2, 2), "multilabel": (1, None)}
        least, most = counts.get(self.kind, (2, None))
        found = []
        if len(names) < least or (most is not None and len(names) > most):
            wanted = f"{least}" if most else f"at least {least}"
            found.append(f"`classes`: {self.kind} takes {wanted} of them, not {len(names)}")
        if self.kind == "multilabel":
            bad = [name for name in names if SEPARATOR in name or name.strip() == NONE_OF_THEM]
            found += [f"`classes`: {name!r} cannot be one of several labels" for name in bad]
            if outside not in (None, NONE_OF_THEM):
                found.append(
                    f"`tile.labels.outside`: {outside!r}; say {NONE_OF_THEM}, or null, in a "
                    "multilabel task: tissue outside all outlines bears no label"
                )
        if self.kind == "regression":
            if pooled in ("top_k", "noisy_or"):
                found.append(
                    f"`aggregate.method`: {pooled} looks for lesions; say mean, quantile, or what "
                    "learns slides, of a regression"
                )
            if outside is not None:
                found.append("`tile.labels.outside`: say null: a regression has no class")
            if self.label_smoothing or self.focal_gamma:
                found.append("`task`: a regression has no label_smoothing and no focal_gamma")
            if self.range is None or not -math.inf < self.range[0] < self.range[1] < math.inf:
                found.append("`task.range`: say the least and greatest number, e.g. [0, 100]")
        elif self.range is not None or self.unit:
            found.append(f"`task`: range and unit are of a regression, not of {self.kind}")
        return found
