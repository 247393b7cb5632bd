"""What a task is: every question that another room may ask about what is learnt of a tile."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

    from histotile.stats.linear_head import LinearHead
    from histotile.tasks.probe import Features

Labels = NDArray[Any]  # (N, ...) one row per tile, as the task numbers or measures them
Floats = NDArray[np.floating[Any]]
Doubles = NDArray[np.float64]

UNKNOWN = -1  # stratum of a tile without label


class Layer(NamedTuple):
    """What a map shows of one value, e.g. "Probability of tumour", "p(tumour)", "p", from 0 to 1.

    `title`, `label` and `symbol` say it in three lengths; a unit belongs to the title.
    """

    title: str
    label: str
    symbol: str
    low: float
    high: float

    def share(self, values: NDArray[Any]) -> NDArray[Any]:
        """Where values lie on the scale from low (0) to high (1)."""
        shares: NDArray[Any] = (values - self.low) / (self.high - self.low)
        return shares

    def at(self, share: float) -> float:
        """The value that lies there on the scale."""
        is_share = (self.low, self.high) == (0, 1)
        return share if is_share else self.low + share * (self.high - self.low)


class Task(Protocol):
    """One kind of task with its names; a file of this room each, and a row in the registry.

    `logits` (N, outputs) are what the head gives, `values` (N, names) what is written and shown.
    """

    @property
    def kind(self) -> str:
        """Its row in the registry."""

    @property
    def names(self) -> tuple[str, ...]:
        """Of the values, in the order of their columns: classes, labels, quantities."""

    @property
    def is_exclusive(self) -> bool:
        """Whether a tile is of exactly one of the names, the first of which is the background."""

    # Labels of tiles

    def labels(self, texts: Iterable[str | None]) -> Labels:
        """The labels that the texts of a tile table mean; see `strata` for tiles without one."""

    def texts(self, labels: Labels) -> list[str | None]:
        """What a tile table writes of labels, in one spelling; None: without label."""

    def foreign(self, texts: Iterable[str | None]) -> list[str]:
        """Texts that are no label of this task, sorted."""

    @property
    def label_type(self) -> str:
        """Arrow's name for the type of a label in a table."""

    @property
    def strata(self) -> tuple[str, ...]:
        """Names of the groups of tiles that are drawn and divided evenly, such as classes."""

    def stratum(self, labels: Labels) -> NDArray[np.int64]:
        """(N,) number of the group of each tile; UNKNOWN without a label."""

    def merged(self, texts: Iterable[str | None]) -> str | None:
        """The label of a patient whose slides have these; None if none has one."""

    def lacking(self, labels: Labels) -> list[str]:
        """What training tiles must show beside these labels; empty: the task can be learnt."""

    # Learning

    @property
    def outputs(self) -> int:
        """Width of the head."""

    def weights(self, labels: Labels, balanced: bool) -> Doubles:
        """Weights of the loss, learnt from training labels; all 1 unless balanced."""

    def loss(
        self, logits: "torch.Tensor", labels: "torch.Tensor", weights: "torch.Tensor | None"
    ) -> "torch.Tensor":
        """Mean loss of a batch, to learn by."""

    def error(self, logits: Doubles, labels: Labels, weights: Doubles | None = None) -> float:
        """The same loss, to measure by."""

    def blind_error(self, labels: Labels) -> float:
        """The loss, on tiles of these labels, of guessing without a look at them."""

    @property
    def error_name(self) -> str:
        """Name and unit of the loss, as an axis says it."""

    def fit(
        self, features: "Features", balanced: bool, strengths: tuple[float, ...]
    ) -> "dict[float, LinearHead]":
        """A linear head on cached features for each of these L2 strengths, which descend."""

    # Values and how good they are

    def activate(self, logits: Floats) -> Doubles:
        """(N, names) values of logits."""

    def preds(self, values: Floats) -> list[str | None]:
        """What each row of values says, as a text like a label; None for a row of NaN."""

    @property
    def positive(self) -> str | None:
        """The one value that is looked for, of which screening figures are made; None: none is."""

    @property
    def score_name(self) -> str:
        """Name of the score that decisions go by; higher is better."""

    @property
    def chance(self) -> float:
        """The score of guessing."""

    def scores(
        self, values: Floats, labels: Labels, patients: NDArray[np.int64], weights: Doubles
    ) -> Doubles:
        """(B,) score when patients count as often as each row of `weights` (B, P) says.

        Args:
            values: (N, names), or logits that rank alike.
            labels: (N, ...).
            patients: (N,) patient numbers.
            weights: (B, P).

        Returns:
            NaN where the tiles that count allow no score.
        """

    # What is written and shown

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of a prediction table, one per value."""

    def layer(self, name: str) -> Layer:
        """What a map of that value shows."""

    def metadata(self) -> dict[str, Any]:
        """What models and tables say of the task; `registry.read_task` gives it back."""


def score(task: Task, values: Floats, labels: Labels) -> float | None:
    """The task's score with every tile counted once; None where there is none."""
    (found,) = task.scores(values, labels, np.zeros(len(values), np.int64), np.ones((1, 1)))
    return float(found) if np.isfinite(found) else None


def counts(task: Task, labels: Labels) -> dict[str, int]:
    """Number of tiles of each stratum."""
    strata = task.stratum(labels)
    found = np.bincount(strata[strata != UNKNOWN], minlength=len(task.strata)).tolist()
    return dict(zip(task.strata, found, strict=True))


def missing_columns(task: Task, there: Sequence[str]) -> list[str]:
    """The columns of the task's values that a table lacks."""
    return [name for name in task.columns if name not in there]


def read_values(task: Task, table: Any) -> NDArray[Any]:
    """(N, names) values of a prediction table (`pyarrow.Table`)."""
    return np.stack([table[name].to_numpy() for name in task.columns], axis=1)


def value_columns(task: Task, values: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
    """Values (N, names) as columns of a prediction table."""
    return dict(zip(task.columns, values.T, strict=True))
