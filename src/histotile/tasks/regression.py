"""A number: ridge regression or a chosen loss, Spearman's rank correlation as its score."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from histotile.io.text.csv_file import decimal
from histotile.stats.agreement import spearmans
from histotile.stats.linear_head import LinearHead
from histotile.stats.ridge import fit_ridge
from histotile.tasks.probe import Features
from histotile.tasks.task import UNKNOWN, Doubles, Floats, Layer

if TYPE_CHECKING:
    import torch

Integers = NDArray[np.int64]
Loss = Literal["huber", "mean_absolute", "mean_square"]

PARTS = 10  # strata: equal parts of the range
HUBER_DELTA = 0.1  # of the range: beyond it errors count as they are, not squared
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")
EDGE = 0.02  # shares nearer to 0 or 1 than this have no logit that a linear head should chase


@dataclass(frozen=True)
class Regression:
    """A number from `low` to `high` of some unit; the network learns its share of that range.

    `is_bounded`: a sigmoid keeps it within the range. See `task.Task` for what the members mean.
    """

    names: tuple[str, ...]
    low: float = 0.0
    high: float = 1.0
    unit: str = ""
    is_bounded: bool = field(default=False, compare=False)
    trained_by: Loss = field(default="huber", compare=False)

    kind: ClassVar[str] = "regression"
    label_type: ClassVar[str] = "float64"
    outputs: ClassVar[int] = 1
    positive: ClassVar[str | None] = None
    score_name: ClassVar[str] = "Spearman's rho"
    chance: ClassVar[float] = 0.0
    is_exclusive: ClassVar[bool] = False

    def __str__(self) -> str:
        """E.g. "regression (marked nuclei, 0 to 100 %)"."""
        return f"{self.kind} ({self.names[0]}, {self.low:g} to {self.with_unit(self.high)})"

    def with_unit(self, number: float) -> str:
        """E.g. "12.5 %"."""
        return f"{number:.4g} {self.unit}".strip()

    def labels(self, texts: Iterable[str | None]) -> Doubles:
        """(N,) the numbers; NaN without one, or out of range."""
        listed = list(texts)
        known = {text: self._number(text) for text in set(listed)}
        return np.array([known[text] for text in listed], np.float64)

    def _number(self, text: str | None) -> float:
        found = decimal(text.strip()) if text is not None else None
        if text is not None and _THOUSANDS.fullmatch(text.strip()):
            whole = float(text.replace(",", ""))
            found = None if self.low <= whole <= self.high else found  # 1,250: 1.25, or 1250?
        return found if found is not None and self.low <= found <= self.high else np.nan

    def texts(self, labels: Doubles) -> list[str | None]:
        """What a table writes of numbers."""
        return [None if np.isnan(label) else self._text(label) for label in labels.tolist()]

    def _text(self, number: float) -> str:
        """Six digits, where they lie in the range and within a millionth of it; else all."""
        short = float(f"{number:.6g}")
        is_near = abs(short - number) <= 1e-6 * (self.high - self.low)
        return f"{number:.6g}" if is_near and self.low <= short <= self.high else repr(number)

    def foreign(self, texts: Iterable[str | None]) -> list[str]:
        """Texts that are no number of the range, or two, as 1,250 is 1.25 and 1250."""
        there = {text for text in texts if text is not None and text.strip()}
        return sorted(text for text in there if np.isnan(self._number(text)))

    @property
    def strata(self) -> tuple[str, ...]:
        """Equal parts of the range."""
        edges = np.linspace(self.low, self.high, PARTS + 1)
        return tuple(f"{low:.4g} to {self.with_unit(high)}" for low, high in pairwise(edges))

    def stratum(self, labels: Doubles) -> Integers:
        """The part that the number lies in."""
        known = np.isfinite(labels)
        place = np.floor(self.share(np.where(known, labels, self.low)) * PARTS)
        return np.where(known, np.clip(place, 0, PARTS - 1), UNKNOWN).astype(np.int64)

    def share(self, numbers: Doubles) -> Doubles:
        """Numbers as shares of the range."""
        return np.asarray((numbers - self.low) / (self.high - self.low))

    def merged(self, texts: Iterable[str | None]) -> str | None:
        """The mean of the slides."""
        numbers = self.labels(texts)
        known = numbers[np.isfinite(numbers)]
        return self.texts(known.mean(keepdims=True))[0] if len(known) else None

    def lacking(self, labels: Doubles) -> list[str]:
        """What a constant number, or none, leaves out."""
        known = labels[np.isfinite(labels)]
        if not len(known):
            return ["with a number"]
        alike = bool(np.ptp(known) <= 1e-9 * (self.high - self.low))
        return [f"with another number than {self.with_unit(known[0])}"] if alike else []

    def weights(self, labels: Doubles, balanced: bool) -> Doubles:
        """One weight for all: numbers have no classes to balance."""
        return np.ones(1)

    def loss(
        self, logits: "torch.Tensor", labels: "torch.Tensor", weights: "torch.Tensor | None" = None
    ) -> "torch.Tensor":
        """The chosen loss of shares of the range."""
        import torch
        from torch.nn.functional import huber_loss, l1_loss, mse_loss

        found = torch.sigmoid(logits[:, 0]) if self.is_bounded else logits[:, 0]
        truth = ((labels - self.low) / (self.high - self.low)).to(found.dtype)
        match self.trained_by:
            case "huber":
                return huber_loss(found, truth, delta=HUBER_DELTA)
            case "mean_absolute":
                return l1_loss(found, truth)
            case "mean_square":
                return mse_loss(found, truth)

    def error(self, logits: Doubles, labels: Doubles, weights: Doubles | None = None) -> float:
        """The chosen loss."""
        return self._mean_loss(self._shares(logits)[:, 0] - self.share(labels))

    def _mean_loss(self, off: Doubles) -> float:
        size = np.abs(off)
        match self.trained_by:
            case "huber":
                beyond = HUBER_DELTA * (size - HUBER_DELTA / 2)
                return float(np.where(size <= HUBER_DELTA, off**2 / 2, beyond).mean())
            case "mean_absolute":
                return float(size.mean())
            case "mean_square":
                return float((off**2).mean())

    def blind_error(self, labels: Doubles) -> float:
        """The loss of always saying the mean or the median, whichever is better."""
        shares = self.share(labels)
        return min(
            self._mean_loss(shares - middle) for middle in (shares.mean(), np.median(shares))
        )

    @property
    def error_name(self) -> str:
        """E.g. "Huber loss (shares of 0 to 100 %)"."""
        names = {"huber": "Huber loss", "mean_absolute": "mean absolute error"}
        name = names.get(self.trained_by, "mean square error")
        return f"{name} (shares of {self.low:g} to {self.with_unit(self.high)})"

    def fit(
        self, features: Features, balanced: bool, strengths: tuple[float, ...]
    ) -> dict[float, LinearHead]:
        """Ridge regressions of shares, or of their logits if bounded, on standardised features."""
        shares = self.share(features.labels)
        if self.is_bounded:
            shares = np.clip(shares, EDGE, 1 - EDGE)
            shares = np.log(shares / (1 - shares))
        return fit_ridge(features.values, shares, strengths)

    def _shares(self, logits: Floats) -> Doubles:
        found = np.asarray(logits, np.float64)
        return 1 / (1 + np.exp(-np.clip(found, -60, 60))) if self.is_bounded else found

    def activate(self, logits: Floats) -> Doubles:
        """The numbers, in their unit."""
        return np.asarray(self.low + (self.high - self.low) * self._shares(logits))

    def preds(self, values: Floats) -> list[str | None]:
        """The number, four digits of it."""
        return [None if np.isnan(row[0]) else f"{row[0]:.4g}" for row in values]

    def scores(
        self, values: Floats, labels: Doubles, patients: Integers, weights: Doubles
    ) -> Doubles:
        """Spearman's rank correlation over all tiles that count."""
        return spearmans(values[:, 0], labels, patients, weights)

    @property
    def columns(self) -> tuple[str, ...]:
        """`value_<name>`."""
        return (f"value_{self.names[0]}",)

    def layer(self, name: str) -> Layer:
        """The number, on the scale of its range."""
        title = f"{name} ({self.unit})" if self.unit else name
        return Layer(title[:1].upper() + title[1:], title, self.unit or name, self.low, self.high)

    def metadata(self) -> dict[str, Any]:
        """Kind, name, range, unit, and how it is trained."""
        given = ("low", "high", "unit", "is_bounded", "trained_by")
        options = {name: getattr(self, name) for name in given}
        return {"task": self.kind, "classes": list(self.names), "task_options": options}
