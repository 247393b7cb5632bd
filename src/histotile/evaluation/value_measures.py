"""What is measured of several labels and of numbers, in one fold, with resampled patients."""

from collections.abc import Callable

import numpy as np

from histotile.evaluation.patient_bootstrap import average, one_class
from histotile.evaluation.per_fold import Cell, Cells
from histotile.evaluation.units import Floats, Units
from histotile.stats.agreement import absolute_errors, r_squared, spearmans
from histotile.stats.bootstrap import Measurement
from histotile.tasks.multilabel import Multilabel
from histotile.tasks.regression import Regression
from histotile.tasks.task import Task

DECIDES = {"multilabel": "auroc", "regression": "spearman"}  # what baselines are compared by


def value_cells(units: Units, model: str, weights: Floats, task: Task) -> Cells:
    """Measures of a model on the units of one fold, all of them scored by it.

    `multilabel`: `auroc` and `auprc`, the mean over labels that some units bear and some do not,
    then those of each label. `regression`: `spearman`, `r2`, and `mae (unit)`.
    """
    if isinstance(task, Regression):
        return _of_numbers(units, model, weights, task)
    assert isinstance(task, Multilabel), "the tasks without exclusive classes"
    return _of_labels(units, model, weights, task)


def _of_numbers(units: Units, model: str, weights: Floats, task: Regression) -> Cells:
    measures: dict[str, Callable[..., Floats]] = {
        "spearman": spearmans,
        "r2": r_squared,
        f"mae ({task.unit})" if task.unit else "mae": absolute_errors,
    }
    values, truth, n = units.scores[model][:, 0], units.labels, len(units.labels)
    all_once = np.ones((1, weights.shape[1]))
    reason = f"{n} {units.level}(s) with a label and a score, and fewer than two different numbers"
    found = {}
    for name, measure in measures.items():
        once, draws = (measure(values, truth, units.patients, w) for w in (all_once, weights))
        known = n > 1 and (measure is absolute_errors or np.ptp(truth) > 0)
        value = Measurement(float(once[0]), np.asarray(draws)) if known else _nothing(weights)
        found[name] = Cell(value, n, n, reason)
    return found


def _of_labels(units: Units, model: str, weights: Floats, task: Multilabel) -> Cells:
    n, each = len(units.labels), {}
    for c, name in enumerate(task.names):
        borne = units.labels[:, c] == 1
        reason = f"{int(borne.sum())} of {n} {units.level}(s) with {name}"
        found = one_class(borne, units.scores[model][:, c], units.patients, weights)
        each[name] = [Cell(one, n, int(borne.sum()), reason) for one in found]
    cells: Cells = {}
    for k, measure in enumerate(("auroc", "auprc")):
        known = [own[k] for own in each.values() if own[k].known]
        reason = "; ".join(own[k].reason for own in each.values())
        mean = average([cell.metric for cell in known]) if known else _nothing(weights)
        without = [name for name, own in each.items() if not own[k].known]
        remark = f"without {', '.join(without)}" if without and known else ""
        cells[measure] = Cell(
            mean, n, sum(own[k].n_positive for own in each.values()), reason, remark
        )
    for k, measure in enumerate(("auroc", "auprc")):
        cells |= {f"{measure} {name}": own[k] for name, own in each.items()}
    return cells


def _nothing(weights: Floats) -> Measurement:
    return Measurement(np.nan, np.full(len(weights), np.nan))
