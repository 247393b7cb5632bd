"""Two sides of what is no class, for what asks for classes: dividing patients, counting, alarms."""

import numpy as np
from numpy.typing import NDArray

from histotile.tasks.task import UNKNOWN, Labels, Task

Integers = NDArray[np.int64]


def group_labels(
    task: Task, labels: Labels, patients: Integers
) -> tuple[tuple[str, ...], Integers]:
    """Names of groups, and (N,) the group of each tile; UNKNOWN without label.

    Groups are the strata of classes; of several labels, tiles without and with the label that is
    rarest among patients; of a number, tiles up to and above the median of the patients' medians.

    Args:
        task: What is learnt.
        labels: (N, ...).
        patients: (N,) patient numbers.
    """
    if task.is_exclusive:
        return task.strata, task.stratum(labels)
    known = task.stratum(labels) != UNKNOWN
    if labels.ndim > 1:
        rarest = min(range(labels.shape[1]), key=lambda c: _held(labels[:, c] == 1, patients))
        name, is_high = task.names[rarest], labels[:, rarest] == 1
        names: tuple[str, ...] = (f"without {name}", f"with {name}")
    else:
        cut = _middle(labels[known], patients[known])
        is_high = labels > cut
        names = (f"{task.names[0]} up to {cut:.4g}", f"{task.names[0]} above {cut:.4g}")
    return names, np.where(known, is_high, UNKNOWN).astype(np.int64)


def _held(is_held: NDArray[np.bool_], patients: Integers) -> tuple[int, int]:
    """Patients and tiles that bear a label."""
    return len(np.unique(patients[is_held])), int(is_held.sum())


def _middle(numbers: NDArray[np.float64], patients: Integers) -> float:
    """The number that parts the tiles such that patients lie on both sides, if any does."""
    if not len(numbers):
        return 0.0
    medians = [float(np.median(numbers[patients == p])) for p in np.unique(patients)]
    cut = float(np.median(medians))
    distinct = np.unique(numbers)
    return cut if cut < distinct[-1] else float(distinct[max(len(distinct) - 2, 0)])
