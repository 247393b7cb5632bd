"""CSV files as spreadsheets save them: what is taken, and which rows are refused."""

import csv
import doctest
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from histotile.errors import HistotileError
from histotile.io.text import csv_file
from histotile.io.text.csv_file import CsvFile, check_columns, decimal, read_csv_file, read_header

KNOWN: dict[str, tuple[str, ...]] = {"slide_id": ("slide",), "path": (), "mpp": ()}
ROWS = [["slide_id", "path", "mpp"], ["ä 1", "a, b.svs", "1,05"], ["2", "c;d.svs", ""]]
CELL = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Zs", "Zl", "Zp", "Cf")), max_size=6
)


def test_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(csv_file).failed == 0


def read(path: Path, data: str | bytes) -> CsvFile:
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return read_csv_file(path, KNOWN)


def saved(rows: list[list[str]], separator: str, end: str) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=separator, lineterminator=end).writerows(rows)
    return text.getvalue()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_every_way_to_save_gives_the_same_rows(
    tmp_path: Path, encoding: str, end: str, separator: str
) -> None:
    left_behind = end + separator * 2 + end + end  # empty rows that spreadsheets leave
    text = saved(ROWS, separator, end) + left_behind
    for head in ("", f"sep={separator}{end}"):
        found = read(tmp_path / "a.csv", (head + text).encode(encoding))
        assert found.columns == tuple(ROWS[0])
        assert [list(row.values()) for row in found.rows] == ROWS[1:]
        assert found.numbers == ([3, 4] if head else [2, 3])
        assert read_header(tmp_path / "a.csv", KNOWN) == found.columns


@given(
    rows=st.lists(st.lists(CELL, min_size=3, max_size=3).filter(any), max_size=5),
    separator=st.sampled_from(",;\t"),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_rows_survive_being_saved(
    rows: list[list[str]], separator: str, end: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("c") / "a.csv"
    rows = [[cell.replace("�", "") for cell in row] for row in rows]
    found = read(path, saved([ROWS[0], *rows], separator, end).encode("utf-8-sig"))
    assert [list(row.values()) for row in found.rows] == [row for row in rows if any(row)]


def test_text_that_a_spreadsheet_was_kept_from_counting_is_text(tmp_path: Path) -> None:
    found = read(tmp_path / "a.csv", 'slide_id,path\n="001",a\n"=""002""",b\n')
    assert [row["slide_id"] for row in found.rows] == ["001", "002"]


def test_what_stands_around_cells_is_not_theirs(tmp_path: Path) -> None:
    text = " slide_id ,\ufeffpath,mpp,\n\u00a0a\u200b, b.svs ,0.5,\n\n,,,,,,\nc,d.svs,1,,,\n"
    found = read(tmp_path / "a.csv", text)
    assert found.columns == ("slide_id", "path", "mpp")
    assert [tuple(row.values()) for row in found.rows] == [
        ("a", "b.svs", "0.5"),
        ("c", "d.svs", "1"),
    ]
    assert found.numbers == [2, 5]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("slide_id,path,mpp\na,b.svs,1,05\n", "row 2 has 4 cells, the header 3"),
        ("slide_id,path,mpp\n\na,b.svs,1\nc,d.svs\n", "row 4 has 2 cells"),
        ("slide_id;path;mpp\na,b.svs,1\n", "row 2 has 1 cells"),
        ("slide_id,path,\na,b.svs,x\n", "row 2 has 3 cells"),
        ("slide_id,,path\na,x,b.svs\n", "row 2 has a cell under a column without a name"),
        ('slide_id,path\n"a,b.svs\nc,d.svs\n', "row 2 cannot be read"),
        ('slide_id,path\n"a\nc",d.svs\n', "row 2 has a cell over several lines"),
        ('slide_id,path\n"a"b,d.svs\n', "row 2 cannot be read"),
        ("slide_id,path,path\na,b,c\n", "names column(s) 'path' twice"),
        ("", "is empty"),
        ("\n,,\n", "is empty"),
        ("slide_id,path\na,\0\n", "line 2 holds NUL"),
        ("x" * 200_000, "row 1 cannot be read"),
        ("slide_id,path\na," + "x" * 200_000, "row 2 cannot be read"),
    ],
)
def test_rows_that_do_not_fit_are_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(HistotileError) as caught:
        read(tmp_path / "a.csv", text)
    assert said in str(caught.value)
    assert "a.csv" in caught.value.subject


@given(data=st.binary(max_size=120))
def test_no_bytes_end_in_anything_but_rows_or_a_refusal(
    data: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("c") / "a.csv"
    try:
        found = read(path, data)
        assert all(set(row) == set(found.columns) for row in found.rows)
    except HistotileError as error:
        assert error.remedy


def test_columns_that_were_meant_are_named(tmp_path: Path) -> None:
    found = read(tmp_path / "a.csv", "slide,Path,mp,zzz\na,b,1,\n")
    with pytest.raises(HistotileError) as caught:
        check_columns(found, ("slide_id", "path"), ("mpp",), KNOWN)
    text = str(caught.value)
    assert "missing column" not in text  # both were meant by others
    for wrong, meant in (("slide", "slide_id"), ("Path", "path"), ("mp", "mpp")):
        assert f"unknown column {wrong!r}: did you mean {meant!r}?" in text
    assert "unknown column 'zzz'\n" in text


@pytest.mark.parametrize(
    ("text", "number"),
    [("0,25", 0.25), ("1e-3", 0.001), (".5", 0.5), ("3.", 3.0), ("-2", -2.0)]
    + [(text, None) for text in ("", "0.5um", "1_0", "nan", "inf", "1.000,5", "0,5,5", "x")],
)
def test_decimals_have_a_point_or_a_comma(text: str, number: float | None) -> None:
    assert decimal(text) == number
