"""Tables made up for the trial."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from histotile.checks.forecast.made_up import (
    deal_tables,
    pseudo_cohort,
)
from histotile.checks.forecast.training_cost import bytes_of_rows
from histotile.errors import HistotileError
from histotile.io import tables


def part(folder: Path, name: str, tiles: int, excluded: str | None = None) -> Path:
    columns = {
        "tile_id": pa.array(np.arange(tiles), pa.int32()),
        "label": pa.array([None] * tiles, pa.string()),
        "excluded": pa.array([excluded] * tiles, pa.string()),
    }
    path = folder / f"{name}.parquet"
    found = pa.table(columns).replace_schema_metadata({"histotile": "{}"})
    pq.write_table(found, path)
    return path


@pytest.mark.parametrize("tiles", [1, 5, 40])
def test_every_patient_is_dealt_tiles_however_few_there_are(tmp_path: Path, tiles: int) -> None:
    labels = pseudo_cohort(("a", "b"), 4, tmp_path / "cohort.csv")
    parts = [part(tmp_path, "p0", tiles), part(tmp_path, "p1", 30, "blur")]
    dealt = deal_tables(parts, labels, tmp_path / "few")
    rows = [tables.read_table(tmp_path / f"few/{name}.parquet").num_rows for name in labels]
    assert min(rows) >= 2 and sum(rows) == dealt == max(tiles, 16)


def test_without_a_usable_tile_nothing_is_made_up(tmp_path: Path) -> None:
    labels = pseudo_cohort(("a", "b"), 4, tmp_path / "cohort.csv")
    with pytest.raises(HistotileError, match="none of the tiles tried"):
        deal_tables([part(tmp_path, "p0", 30, "blur")], labels, tmp_path / "few")


def test_bytes_of_rows_leave_out_what_every_file_has(tmp_path: Path) -> None:
    few, many = (part(tmp_path, f"p{n}", n) for n in (1000, 9000))
    assert 0 < bytes_of_rows(few) < few.stat().st_size
    grown = many.stat().st_size - few.stat().st_size
    assert bytes_of_rows(many) - bytes_of_rows(few) == pytest.approx(grown, rel=0.1)
