"""Rows of the evaluation, arranged so that the network stands beside the colour-only baseline."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from histotile.reports.wording import known, score

_LEVELS = ("tile", "slide", "patient")
_OVERALL = ("", "all", "mean", "None")


@dataclass(frozen=True)
class Comparison:
    """One measure at one level: the row of the network, that of the baseline; either may lack.

    `fold` is None for the measure over all folds.
    """

    level: str
    metric: str
    fold: str | None
    network: Mapping[str, Any] | None
    baseline: Mapping[str, Any] | None

    @property
    def notes(self) -> str:
        """Remarks on the numbers there are; a number that lacks carries its own reason."""
        rows = [row for row in (self.network, self.baseline) if row and known(row["value"])]
        return "; ".join(dict.fromkeys(str(row["note"]) for row in rows if known(row["note"])))


@dataclass(frozen=True)
class FoldTable:
    """Measures of one level: one column per measure, one row per fold, a comparison per cell."""

    level: str
    metrics: Sequence[str]
    rows: Mapping[str, Sequence[Comparison | None]]


def compare(metrics: Sequence[Mapping[str, Any]]) -> list[Comparison]:
    """All measures in the order tile, slide, patient; over all folds first, then fold by fold."""
    found: dict[tuple[str, str, str | None], dict[bool, Mapping[str, Any]]] = {}
    for row in metrics:
        key = (str(row["level"]), str(row["metric"]), _fold(row["fold"]))
        is_baseline = str(row["model"]).startswith("colour")
        found.setdefault(key, {})[is_baseline] = row
    comparisons = [
        Comparison(*key, network=rows.get(False), baseline=rows.get(True))
        for key, rows in found.items()
    ]
    return sorted(comparisons, key=lambda c: (c.fold is not None, _rank(c.level)))


def headline(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """AUROC over all folds, one per level."""
    return [c for c in comparisons if c.fold is None and c.metric == "auroc"]


def by_fold(comparisons: Sequence[Comparison]) -> list[FoldTable]:
    """A table of folds per level; empty without measures of single folds."""
    return [
        _fold_table(level, [c for c in comparisons if c.fold is not None and c.level == level])
        for level in dict.fromkeys(c.level for c in comparisons if c.fold is not None)
    ]


def value_text(row: Mapping[str, Any] | None) -> str:
    """The value of a row, "not computed: ..." with its reason, or "not computed"."""
    if row is not None and known(row["value"]):
        return score(row["value"])
    note = row["note"] if row is not None else None
    return f"not computed: {note}" if known(note) else "not computed"


def _fold_table(level: str, comparisons: Sequence[Comparison]) -> FoldTable:
    metrics = list(dict.fromkeys(c.metric for c in comparisons))
    cells = {(c.fold, c.metric): c for c in comparisons}
    folds = dict.fromkeys(str(c.fold) for c in comparisons)
    rows = {fold: [cells.get((fold, metric)) for metric in metrics] for fold in folds}
    return FoldTable(level, metrics, rows)


def _fold(fold: object) -> str | None:
    return None if str(fold) in _OVERALL else str(fold)


def _rank(level: str) -> int:
    return _LEVELS.index(level) if level in _LEVELS else len(_LEVELS)
