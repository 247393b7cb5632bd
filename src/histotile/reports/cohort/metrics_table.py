"""Rows of the evaluation, arranged so that the network stands beside the colour-only baseline."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from histotile.aggregation.aggregate import HOLDOUT
from histotile.evaluation.per_fold import COLOUR_ONLY, DIFFERENCE, MEAN, NETWORK
from histotile.evaluation.screening import SET_ASIDE
from histotile.evaluation.value_measures import DECIDES
from histotile.reports.wording import known, measure, score

Row = Mapping[str, Any]

PICTURES = {
    "roc": (
        "ROC curves; the areas under them stand in the table of measures",
        "ROC: share of positives found against share of negatives called positive, on held-out "
        "patients; each fold by itself and their mean.",
    ),
    "pr": (
        "Precision-recall curves; the areas under them stand in the table of measures",
        "Precision and recall on held-out patients; what chance reaches is the share of positives.",
    ),
    "reliability": (
        "Reliability diagram: how often scores came true",
        "Reliability: among those given a score, how many were positive. On the diagonal a score "
        "can be read as a probability.",
    ),
    "scores": (
        "Distribution of scores, label by label",
        "Scores by label: the less the labels overlap, the safer a threshold between them.",
    ),
}

SITE_MEASURES = (
    "tile_auroc",
    "tile_balanced_accuracy",
    "slide_auroc",
    "slide_balanced_accuracy",
)


@dataclass(frozen=True)
class Comparison:
    """One measure at one level in one fold: the rows of network and baseline; either may lack.

    `difference` is the row of the network's lead over the baseline, known for what decides alone.
    """

    level: str
    metric: str
    fold: str
    network: Row | None
    baseline: Row | None
    difference: Row | None

    @property
    def where(self) -> str:
        """What to add to a name where the measure is that of the fixed test set; else nothing."""
        return ", fixed test set" if self.fold == HOLDOUT else ""

    @property
    def notes(self) -> str:
        """Remarks on the numbers there are; a number that lacks carries its own reason."""
        rows = [row for row in (self.network, self.baseline) if row and known(row["value"])]
        notes = [part for row in rows if known(row["note"]) for part in row["note"].split("; ")]
        return "; ".join(dict.fromkeys(notes))


@dataclass(frozen=True)
class FoldTable:
    """Measures of one level: one column per measure, one row per fold, a comparison per cell."""

    level: str
    metrics: Sequence[str]
    rows: Mapping[str, Sequence[Comparison | None]]


@dataclass(frozen=True)
class ConfusionTable:
    """Counts of labels (rows) by preds (columns), both in the order of `classes`."""

    title: str
    classes: Sequence[str]
    counts: Sequence[Sequence[int]]


def compare(metrics: Sequence[Row]) -> list[Comparison]:
    """Every measure of every level and fold, in the order of the rows."""
    found: dict[tuple[str, str, str], dict[str, Row]] = {}
    for row in metrics:
        is_difference = row["model"] == DIFFERENCE
        metric = str(row["metric"]).removesuffix("_difference") if is_difference else row["metric"]
        key = (str(row["level"]), str(metric), str(row["fold"]))
        found.setdefault(key, {})[str(row["model"])] = row
    return [
        Comparison(*key, *(rows.get(model) for model in (NETWORK, COLOUR_ONLY, DIFFERENCE)))
        for key, rows in found.items()
    ]


def overall(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """The means over folds, then the fixed test set, if there is one."""
    return [c for fold in (MEAN, HOLDOUT) for c in comparisons if c.fold == fold]


def headline(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """What decides, at every level: mean over folds, then the fixed test set."""
    return [c for c in overall(comparisons) if c.metric in DECIDES.values()]


def by_fold(comparisons: Sequence[Comparison]) -> list[FoldTable]:
    """A table of single folds per level; empty without any."""
    single = [c for c in comparisons if c.fold not in (MEAN, HOLDOUT)]
    levels = dict.fromkeys(c.level for c in single)
    return [_fold_table(level, [c for c in single if c.level == level]) for level in levels]


def confusion_tables(rows: Sequence[Row]) -> list[ConfusionTable]:
    """The network's confusion at every level, from rows of level, model, fold, label, pred, count.

    Counts over all folds first, then those of the fixed test set.
    """
    cells: dict[tuple[str, str], dict[tuple[str, str], int]] = {}
    for row in rows:
        if row["model"] == NETWORK:
            table = cells.setdefault((str(row["level"]), str(row["fold"])), {})
            table[str(row["label"]), str(row["pred"])] = int(row["count"])
    return [
        _confusion_table(f"{level} level{', fixed test set' if fold == HOLDOUT else ''}", table)
        for (level, fold), table in sorted(cells.items(), key=lambda item: item[0][1] == HOLDOUT)
    ]


def list_screening(rows: Sequence[Row]) -> list[Row]:
    """The rows that hold for all folds together: means, then the fixed test set."""
    return [row for fold in (MEAN, HOLDOUT) for row in rows if row["fold"] == fold]


def screening_words(metric: str) -> str:
    """The name of a screening figure in words."""
    if metric == SET_ASIDE:
        return "share that scores below every positive, to be set aside without a miss"
    return measure(metric).replace("specificity ", "specificity of at least ")


def site_cells(row: Row) -> list[Row]:
    """The measures of a site, in the order of `SITE_MEASURES`, each as value, lower, upper, note.

    Args:
        row: As `results.sites.site_rows` gives it.
    """
    parts = ("lower", "upper", "n", "note")
    return [
        {"value": row.get(name)} | {part: row.get(f"{name}_{part}") for part in parts}
        for name in SITE_MEASURES
    ]


def value_text(row: Row | None) -> str:
    """The value of a row, "not computed: ..." with its reason, or "not computed"."""
    if row is not None and known(row["value"]):
        return score(row["value"])
    note = row["note"] if row is not None else None
    return f"not computed: {note}" if known(note) else "not computed"


def _fold_table(level: str, comparisons: Sequence[Comparison]) -> FoldTable:
    metrics = list(dict.fromkeys(c.metric for c in comparisons))
    cells = {(c.fold, c.metric): c for c in comparisons}
    folds = dict.fromkeys(c.fold for c in comparisons)
    rows = {fold: [cells.get((fold, metric)) for metric in metrics] for fold in folds}
    return FoldTable(level, metrics, rows)


def _confusion_table(title: str, cells: Mapping[tuple[str, str], int]) -> ConfusionTable:
    classes = list(dict.fromkeys(label for label, _ in cells))
    counts = [[cells.get((label, pred), 0) for pred in classes] for label in classes]
    return ConfusionTable(title, classes, counts)
