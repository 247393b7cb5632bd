"""What verbs read from the fold table."""

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from histotile.errors import HistotileError

if TYPE_CHECKING:
    from histotile.training.job import FoldSlide


def fold_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a fold table, checked against leaks."""
    from histotile.splitting.fold_table import read_folds

    columns = read_folds(path)
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def fold_slides(
    folds: Path, fold: str, tiles: Path, features: Path | None, roles: Collection[str]
) -> "list[FoldSlide]":
    """The slides that have one of these roles in a fold, with their files.

    Raises:
        HistotileError: There is none.
    """
    from histotile.training.job import FoldSlide

    slides = [
        FoldSlide(
            slide_id=row["slide_id"],
            patient_id=row["patient_id"],
            role=row["role"],
            tiles=tiles / f"{row['slide_id']}.parquet",
            features=features / f"{row['slide_id']}.h5" if features else None,
        )
        for row in fold_rows(folds)
        if f"fold{row['fold']}" == fold and row["role"] in roles
    ]
    if not slides:
        raise HistotileError(folds, f"it has no slides for {fold}", "name a fold, e.g. fold0")
    return slides
