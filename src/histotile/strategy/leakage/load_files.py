"""What alarms need to know of the files of a cohort, gathered from where stages have left it."""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from histotile.config import Decide
from histotile.errors import HistotileError
from histotile.io.cohort import Cohort
from histotile.io.tables import read_table
from histotile.strategy.leakage.checks import AlarmFiles, describe_format
from histotile.strategy.leakage.copied_tiles import PicturedSlide
from histotile.strategy.leakage.near_duplicates import find_duplicates
from histotile.strategy.leakage.suggested_groups import TileRow


def gather_alarm_files(
    features: Path, inspections: Path | None, folds: Sequence[Mapping[str, Any]], settings: Decide
) -> AlarmFiles:
    """Near duplicates among all tiles, and format, scale and scanner of the slide files.

    The fixed test set is looked at too: a tile must not stand on both sides of it.

    Args:
        features: Folder of feature files, {slide_id}.h5.
        inspections: Folder of inspections; cohorts of ready-made tiles have none.
        folds: Rows with the columns `tables.FOLDS`.
        settings: How alike copies are; seed of samples.
    """
    patients = {str(row["slide_id"]): str(row["patient_id"]) for row in folds}
    facts = {name: _inspection(inspections, name) for name in patients}
    slides = [_pictured(features / f"{name}.h5", name, p) for name, p in patients.items()]
    return AlarmFiles(
        duplicates=find_duplicates(slides, settings.alarms.duplicate_likeness, settings.seed),
        formats={name: describe_format(found) for name, found in facts.items() if found},
        mpp={name: float(found["mpp"]) for name, found in facts.items() if found.get("mpp")},
        scanners={name: str(f["scanner"]) for name, f in facts.items() if f.get("scanner")},
    )


def gather_tiles(cohort: Cohort, tiles: Path, features: Path) -> list[TileRow]:
    """All images of a cohort of ready-made tiles, group by group; none of a cohort of slides."""
    found = []
    for slide in cohort.slides if cohort.of_images else ():
        name = slide.slide_id
        rows = {
            int(tile): row for row, tile in enumerate(_read(features / f"{name}.h5", "tile_id"))
        }
        table = read_table(tiles / f"{name}.parquet", ["file", "label"]).to_pylist()
        found += [
            TileRow(name, rows.get(k), image["file"], image["label"], slide.site, slide.split)
            for k, image in enumerate(table)
        ]
    return found


def _pictured(path: Path, slide_id: str, patient_id: str) -> PicturedSlide:
    import h5py

    remedy = "make it again with `histotile embed`"
    try:
        with h5py.File(path, "r") as file:
            shape = file["thumbnails"].shape if "thumbnails" in file else None
    except OSError as error:
        raise HistotileError(path, f"no features of histotile ({error})", remedy) from error
    if shape is None:
        fact = "made by an earlier version of histotile: no thumbnails, by which copies are found"
        raise HistotileError(path, fact, remedy)
    return PicturedSlide(slide_id, patient_id, shape[0], partial(_read, path, "thumbnails"))


def _read(path: Path, name: str) -> Any:
    import h5py

    with h5py.File(path, "r") as file:
        return file[name][:]


def _inspection(folder: Path | None, slide_id: str) -> dict[str, Any]:
    path = folder / f"{slide_id}.json" if folder else None
    if path is None or not path.is_file():
        return {}
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found
