"""The fold table as a small CSV that people review and may edit, and the guard against leaks."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from histotile.errors import HistotileError
from histotile.io import tables
from histotile.io.names import choose
from histotile.io.text.csv_file import read_csv_file, write_columns
from histotile.io.vocabulary import ROLES, TEST


def write_folds(path: Path, columns: Mapping[str, Sequence[Any]]) -> None:
    """The fold table as CSV, one line per fold x slide; an unknown site or label is left empty."""
    write_columns(path, {name: columns[name] for name in tables.FOLDS.names})


def read_folds(path: Path) -> dict[str, list[Any]]:
    """The columns of a fold table, checked: it may have been edited by hand.

    Raises:
        HistotileError: No such file, or what `read_csv_file` refuses; wrong columns, a fold that
            is no number, or what `check_folds` finds.
    """
    if not path.is_file():
        raise HistotileError(path, "no such file", "make it with `histotile split`")
    found = read_csv_file(path, {name: () for name in tables.FOLDS.names})
    if list(found.columns) != tables.FOLDS.names:
        fact = f"its columns are {list(found.columns)}, not {tables.FOLDS.names}"
        raise HistotileError(path, fact, "make it again with `histotile split`")
    wrong = [str(n) for n, row in found if not row["fold"].isdecimal()]
    if wrong:
        raise HistotileError(path, f"fold is no number in lines {', '.join(wrong)}", "mend them")
    columns: dict[str, list[Any]] = {
        name: [row[name] or None for row in found.rows] for name in tables.FOLDS.names
    }
    columns["fold"] = [int(row["fold"]) for row in found.rows]
    words = {row["role"] for row in found.rows}
    meant = {word: choose(word, ROLES) or word for word in words}
    columns["role"] = [meant[row["role"]] for row in found.rows]
    check_folds(columns, path)
    return columns


def fold_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a fold table; see `read_folds`."""
    columns = read_folds(path)
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def check_folds(columns: Mapping[str, Sequence[Any]], subject: object = "folds") -> None:
    """Nothing, if the folds leak nothing.

    Args:
        columns: Columns of `tables.FOLDS`.
        subject: Named in errors, e.g. the file.

    Raises:
        HistotileError: A patient with two roles in a fold, a slide twice in a fold or absent from
            one, an unknown role, or a fold without training or validation slides.
    """
    roles: dict[tuple[int, str], set[str]] = defaultdict(set)
    listed: dict[int, list[str]] = defaultdict(list)
    keys = ("fold", "slide_id", "patient_id", "role")
    problems = []
    for fold, slide_id, patient_id, role in zip(*(columns[k] for k in keys), strict=True):
        roles[fold, patient_id].add(role)
        listed[fold].append(slide_id)
        if role not in ROLES:
            problems.append(f"fold {fold}: slide {slide_id} has the role {role!r}")
    for (fold, patient_id), seen in roles.items():
        if len(seen) > 1:
            what = " and ".join(sorted(map(str, seen)))
            problems.append(f"fold {fold}: patient {patient_id} is in {what}")
    everyone = set().union(*listed.values())
    for fold, slide_ids in listed.items():
        counts = Counter(slide_ids)
        problems += [
            f"fold {fold}: slide {s} is listed {n} times" for s, n in counts.items() if n > 1
        ]
        problems += [f"fold {fold}: slide {s} is missing" for s in sorted(everyone - counts.keys())]
        present = {r for (f, _), seen in roles.items() if f == fold for r in seen}
        problems += [f"fold {fold}: no {r} slide" for r in ROLES if r not in present | {TEST}]
    if problems or not listed:
        fact = "; ".join(problems) or "it lists no slide"
        raise HistotileError(subject, fact, "mend it, or make it again with `histotile split`")
