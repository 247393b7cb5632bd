"""Tables made up for the trial."""

import csv
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from histotile.checks.forecast.made_up import (
    Likeness,
    copy_inspections,
    deal_tables,
    part_of_table,
    pseudo_cohort,
)
from histotile.checks.forecast.training_cost import bytes_of_rows
from histotile.errors import HistotileError
from histotile.io import tables
from histotile.io.cohort import CohortSlide


def part(
    folder: Path,
    name: str,
    tiles: int,
    excluded: str | None = None,
    labels: tuple[str | None, ...] = (None,),
) -> Path:
    columns = {
        "tile_id": pa.array(np.arange(tiles), pa.int32()),
        "place": pa.array(np.arange(tiles), pa.int32()),
        "label": pa.array([labels[n % len(labels)] for n in range(tiles)], pa.string()),
        "excluded": pa.array([excluded] * tiles, pa.string()),
    }
    path = folder / f"{name}.parquet"
    found = pa.table(columns).replace_schema_metadata({"histotile": "{}"})
    pq.write_table(found, path)
    return path


@pytest.mark.parametrize("tiles", [1, 5, 40])
def test_every_patient_is_dealt_tiles_however_few_there_are(tmp_path: Path, tiles: int) -> None:
    labels = pseudo_cohort(("a", "b"), Likeness(4), tmp_path / "cohort.csv")
    parts = [part(tmp_path, "p0", tiles), part(tmp_path, "p1", 30, "blur")]
    dealt, owners = deal_tables(parts, labels, 256, tmp_path / "few")
    rows = [tables.read_table(tmp_path / f"few/{name}.parquet").num_rows for name in labels]
    assert min(rows) >= 2 and sum(rows) == dealt == max(tiles, 16)
    assert owners == dict.fromkeys(labels, "p0")  # of p1 no tile can be used


def test_tiles_are_dealt_from_all_over_a_slide_and_not_too_many(tmp_path: Path) -> None:
    labels = pseudo_cohort(("a", "b"), Likeness(4), tmp_path / "cohort.csv")
    dealt, _ = deal_tables([part(tmp_path, "p0", 4000)], labels, 160, tmp_path / "few")
    table = tables.read_table(tmp_path / "few" / f"{next(iter(labels))}.parquet")
    assert dealt == 160 and table.num_rows == 20
    assert table["place"].to_numpy().max() > 2000 and (np.diff(table["place"].to_numpy()) > 0).all()


def test_tiles_keep_their_labels_where_every_class_is_shown(tmp_path: Path) -> None:
    labels = pseudo_cohort(("a", "b"), Likeness(4), tmp_path / "cohort.csv")
    both = part(tmp_path, "both", 100, labels=("a", "a", "a", "b", None))
    only = part(tmp_path, "only", 100, labels=("a",))
    dealt, owners = deal_tables([both, only], labels, 40, tmp_path / "few")
    found = {
        name: set(tables.read_table(tmp_path / f"few/{name}.parquet")["label"].to_pylist())
        for name in labels
    }
    assert {name for name, slide in owners.items() if slide == "only"} <= {
        name for name, label in labels.items() if label == "a"
    }
    for name, slide in owners.items():
        assert found[name] == ({"a", "b"} if slide == "both" else {"a"})
    assert dealt == 80 and sorted(owners) == sorted(labels)


def test_a_made_up_cohort_is_like_the_one_it_stands_for(tmp_path: Path) -> None:
    slides = [
        CohortSlide(f"slide_{n}", f"patient_{n // 2}", Path("x.svs"), site=f"s{n % 3}")
        for n in range(24)
    ]
    like = Likeness.of(slides, 2)
    assert like == Likeness(patients=6, sites=3, letters=8)
    labels = pseudo_cohort(("a", "b"), like, tmp_path / "cohort.csv")
    rows = list(csv.DictReader((tmp_path / "cohort.csv").open()))
    assert len(rows) == 12 and {len(name) for name in labels} == {8}
    assert {(row["site"], row["label"]) for row in rows} == {
        (f"site {n}", c) for n in range(3) for c in "ab"
    }
    plain = pseudo_cohort(("a", "b"), Likeness(2), tmp_path / "plain.csv")
    assert "site 0" not in (tmp_path / "plain.csv").read_text() and len(plain) == 4


def test_a_part_of_a_table_is_a_slide_of_its_own(tmp_path: Path) -> None:
    whole = part(tmp_path, "m0", 100)
    assert part_of_table(whole, 1 / 8, tmp_path / "some.parquet") == 12
    assert tables.read_footer(tmp_path / "some.parquet")["slide_id"] == "some"
    (tmp_path / "m0.json").write_text("{}")
    copy_inspections({"p000": "m0"}, tmp_path)
    assert (tmp_path / "p000.json").read_text() == "{}"


def test_without_a_usable_tile_nothing_is_made_up(tmp_path: Path) -> None:
    labels = pseudo_cohort(("a", "b"), Likeness(4), tmp_path / "cohort.csv")
    with pytest.raises(HistotileError, match="none of the tiles tried"):
        deal_tables([part(tmp_path, "p0", 30, "blur")], labels, 256, tmp_path / "few")


def test_bytes_of_rows_leave_out_what_every_file_has(tmp_path: Path) -> None:
    few, many = (part(tmp_path, f"p{n}", n) for n in (1000, 9000))
    assert 0 < bytes_of_rows(few) < few.stat().st_size
    grown = many.stat().st_size - few.stat().st_size
    assert bytes_of_rows(many) - bytes_of_rows(few) == pytest.approx(grown, rel=0.1)
