"""The slides of a fold, with their files."""

from collections.abc import Collection
from pathlib import Path

from histotile.errors import HistotileError
from histotile.splitting.fold_table import fold_rows
from histotile.training.job import FoldSlide


def fold_slides(
    folds: Path, fold: str, tiles: Path, features: Path | None, roles: Collection[str]
) -> list[FoldSlide]:
    """The slides that have one of these roles in a fold, with their files.

    Raises:
        HistotileError: There is none.
    """
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
