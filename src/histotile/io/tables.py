"""Columns of every table, and the footers that say how it was made."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from histotile import __version__
from histotile.errors import HistotileError
from histotile.io.arrow import arrow_columns
from histotile.io.atomic import replacing

RESEARCH_USE = (
    "Research use only. Not a medical device; not for diagnosis or patient management. "
    "Outputs must not replace review by a qualified pathologist. "
    "Performance outside the described data is unknown."
)

TILES = pa.schema(
    [
        ("tile_id", pa.int32()),  # 0..N-1 in reading order: rows of the grid, top to bottom
        ("x", pa.int32()),  # top-left corner, level-0 px
        ("y", pa.int32()),
        ("tissue_fraction", pa.float32()),
        ("label", pa.string()),  # class; null: unknown or between the overlap limits
        ("overlap", pa.float32()),  # largest share of the tile inside outlines of one class
        ("sharpness", pa.float32()),  # contrast-normalised variance of the Laplacian
        ("pen_fraction", pa.float32()),
        ("fold_fraction", pa.float32()),
        ("mean_r", pa.float32()),  # 0-255, for the colour-only baseline
        ("mean_g", pa.float32()),
        ("mean_b", pa.float32()),
        ("sd_r", pa.float32()),
        ("sd_g", pa.float32()),
        ("sd_b", pa.float32()),
        ("blur", pa.bool_()),  # marks
        ("pen", pa.bool_()),
        ("fold", pa.bool_()),
        ("excluded", pa.string()),  # null: used; else why not: "pen", "unreadable", ...
        ("file", pa.string()),  # image of a ready-made tile; null: cut from the slide
        ("checksum", pa.string()),  # 16 hex digits of that file's sha256; null likewise
    ]
)
COLOUR = ("mean_r", "mean_g", "mean_b", "sd_r", "sd_g", "sd_b")

FOLDS = pa.schema(
    [
        ("fold", pa.int32()),
        ("slide_id", pa.string()),
        ("patient_id", pa.string()),
        ("site", pa.string()),
        ("label", pa.string()),
        ("role", pa.string()),  # train | val | test; test in every fold: the fixed test set
    ]
)


def prediction_schema(columns: Sequence[str]) -> pa.Schema:
    """Columns of a prediction table.

    tile_id, x, y (level-0 px), those of the task (`columns`), `distance` from the tiles taught on
    (1: the limit of foreign; NaN: unknown) and `familiarity` (familiar, unusual, foreign, unknown).
    """
    keys = [("tile_id", pa.int32()), ("x", pa.int32()), ("y", pa.int32())]
    values = [(name, pa.float32()) for name in columns]
    return pa.schema([*keys, *values, ("distance", pa.float32()), ("familiarity", pa.string())])


def comparison_schema(columns: Sequence[str], label: str) -> pa.Schema:
    """Columns of what a strategy says of the labelled tiles a fold tests; `label` of that type."""
    keys = [("slide_id", pa.string()), ("patient_id", pa.string()), ("tile_id", pa.int32())]
    values = [(name, pa.float32()) for name in columns]
    return pa.schema([*keys, ("label", pa.type_for_alias(label)), *values])


def write_table(
    path: Path, columns: Mapping[str, Any], schema: pa.Schema, footer: Mapping[str, Any]
) -> None:
    """A Parquet file of these columns whose footer says how it was made.

    Args:
        path: Where; written under a temporary name, then renamed.
        columns: One per column of the schema: arrays of numbers, masked or not; lists of strings.
        schema: Column names and types, e.g. `TILES`.
        footer: JSON-able facts that later stages read (settings, mpp, classes, ...).
    """
    table = pa.table(arrow_columns(columns, schema))
    note = json.dumps({"histotile": __version__, **footer}, ensure_ascii=False, sort_keys=True)
    with replacing(path) as temporary:
        pq.write_table(table.replace_schema_metadata({"histotile": note}), temporary)


def read_table(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """The table in a Parquet file, or these columns of it.

    Raises:
        HistotileError: The file is missing, cut short or no Parquet.
    """
    try:
        with pq.ParquetFile(path) as file:  # `pq.read_table` would import pandas
            return file.read(columns=columns)
    except (OSError, pa.ArrowInvalid) as error:
        raise HistotileError(path, f"not a readable table ({error})", "make it again") from error


def read_footer(path: Path) -> dict[str, Any]:
    """How a table was made: what `write_table` was given, and the version of histotile."""
    try:
        metadata = pq.read_schema(path).metadata or {}
    except (OSError, pa.ArrowInvalid) as error:
        raise HistotileError(path, f"not a readable table ({error})", "make it again") from error
    if b"histotile" not in metadata:
        raise HistotileError(path, "histotile did not write this table", "use `histotile tile`")
    footer: dict[str, Any] = json.loads(metadata[b"histotile"])
    return footer


def name_models(ids: Sequence[str]) -> str | None:
    """A short name for the models behind a prediction: one id, or one for the ensemble."""
    if len(ids) < 2:
        return ids[0] if ids else None
    return f"ensemble of {len(ids)}, {hashlib.sha256(' '.join(ids).encode()).hexdigest()[:12]}"
