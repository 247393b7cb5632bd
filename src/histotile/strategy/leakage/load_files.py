"""What alarms need to know of the files of a cohort, gathered from where stages have left it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from histotile.errors import HistotileError
from histotile.io.features import Half
from histotile.strategy.leakage.checks import AlarmFiles, describe_format
from histotile.strategy.leakage.near_duplicates import HashedSlide


def gather_alarm_files(
    features: Path, inspections: Path | None, folds: Sequence[Mapping[str, Any]]
) -> AlarmFiles:
    """Picture hashes of all tiles, and format, scale and scanner of the slide files.

    The fixed test set is looked at too: a tile must not stand on both sides of it.

    Args:
        features: Folder of feature files, {slide_id}.h5.
        inspections: Folder of inspections; cohorts of ready-made tiles have none.
        folds: Rows with the columns `tables.FOLDS`.
    """
    patients = {str(row["slide_id"]): str(row["patient_id"]) for row in folds}
    facts = {name: _inspection(inspections, name) for name in patients}
    return AlarmFiles(
        hashed=[_hashed(features / f"{name}.h5", name, p) for name, p in patients.items()],
        formats={name: describe_format(found) for name, found in facts.items() if found},
        mpp={name: float(found["mpp"]) for name, found in facts.items() if found.get("mpp")},
        scanners={name: str(f["scanner"]) for name, f in facts.items() if f.get("scanner")},
    )


def _hashed(path: Path, slide_id: str, patient_id: str) -> HashedSlide:
    import h5py

    def features() -> Half:
        with h5py.File(path, "r") as file:
            last: Half = file["features"][:]
        return last

    try:
        with h5py.File(path, "r") as file:
            hashes = file["dhash"][:] if "dhash" in file else np.zeros(0, np.uint64)
    except OSError as error:
        remedy = "make it again with `histotile embed`"
        raise HistotileError(path, f"no features of histotile ({error})", remedy) from error
    return HashedSlide(slide_id, patient_id, hashes, features)


def _inspection(folder: Path | None, slide_id: str) -> dict[str, Any]:
    path = folder / f"{slide_id}.json" if folder else None
    if path is None or not path.is_file():
        return {}
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found
