"""Names in a cohort: spelt twice, words for nobody, rounded ids, labels, sides."""

from pathlib import Path

import pytest

from histotile.errors import HistotileError
from histotile.io.cohort import Cohort, CohortSlide, read_cohort
from histotile.io.cohort_checks import (
    accepted_lines,
    check_classes,
    check_cohort,
    find_class_spellings,
    find_spellings,
    strange_labels,
)

Rows = list[tuple[str, str, str, str]]  # slide_id, patient_id, site, label
HEADER = "slide_id,patient_id,site,label,path,split"


def write(path: Path, rows: Rows, sides: tuple[str, ...] = ()) -> Path:
    lines = [
        ",".join([*row, f"{n}.svs", sides[n] if n < len(sides) else ""])
        for n, row in enumerate(rows)
    ]
    path.write_text("\n".join([HEADER, *lines]) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("column", "first", "second"),
    [
        ("patient_id", "12", "12.0"),
        ("patient_id", "P01", "p 01"),
        ("patient_id", "P01", "P\u00a001"),
        ("patient_id", "é", "e\u0301"),
        ("patient_id", "A1", "\u04101"),
        ("patient_id", "P10", "P1O"),
        ("site", "North", "north"),
        ("site", "St. Mary", "St Mary"),
        ("slide_id", "S_1", "S-1"),
        ("label", "Tumour", "tumour"),
    ],
)
def test_two_spellings_stop_with_their_rows_until_accepted(
    tmp_path: Path, column: str, first: str, second: str
) -> None:
    plain = {"slide_id": "{n}", "patient_id": "Q{n}x", "site": "south", "label": "healthy"}
    rows: Rows = []
    for n, name in enumerate(["other", first, "another", second, first]):
        row = {key: text.format(n=n) for key, text in plain.items()} | {column: name}
        name = row["slide_id"] + "#" * (n == 4)
        rows.append((name, row["patient_id"], row["site"], row["label"]))
    cohort = read_cohort(write(tmp_path / "s.csv", rows))
    with pytest.raises(HistotileError) as caught:
        check_cohort(cohort, {}, "s.csv")
    rows_of_first = "row 3)" if column == "slide_id" else "rows 3, 6)"
    for fact in (f"column {column}", repr(first), repr(second), rows_of_first, "row 5)"):
        assert fact in str(caught.value)
    (finding,) = find_spellings(cohort)
    check_cohort(cohort, {finding.id: "two of them"})
    (line,) = accepted_lines(cohort, {finding.id: "two of them"})
    assert finding.id in line
    assert "two of them" in line


def test_ids_of_findings_hang_on_the_names_alone(tmp_path: Path) -> None:
    rows: Rows = [("a", "12", "", ""), ("b", "12.0", "", ""), ("c", "7", "", "")]
    (one,) = find_spellings(read_cohort(write(tmp_path / "s.csv", rows)))
    (other,) = find_spellings(read_cohort(write(tmp_path / "s.csv", rows[::-1])))
    assert one.id == other.id


def test_really_different_names_stay_apart(tmp_path: Path) -> None:
    ids = [
        "001",
        "1",
        "NA",
        "nan",
        "None",
        "1.5",
        "01",
        "true",
        "P 1",
        "P,2",
        "é",
        "0",
        "-1",
        "1e3",
    ]
    rows = [(f"{n}x", f'"{name}"', name.replace(",", ""), "") for n, name in enumerate(ids)]
    cohort = read_cohort(write(tmp_path / "s.csv", rows))
    assert [s.patient_id for s in cohort.slides] == ids
    check_cohort(cohort, {})


@pytest.mark.parametrize("word", ["unknown", "N/A", "?", "nan", ".", "anonymous", "#NAME?"])
def test_nobody_is_no_patient_of_several_slides(tmp_path: Path, word: str) -> None:
    rows: Rows = [("a", word, "", ""), ("b", word, "", ""), ("c", "P1", "", "")]
    with pytest.raises(HistotileError, match=r"rows 2, 3\) says that nobody is known"):
        check_cohort(read_cohort(write(tmp_path / "s.csv", rows)), {})
    check_cohort(read_cohort(write(tmp_path / "s.csv", rows[1:])), {})


def test_numbers_that_a_spreadsheet_rounded_are_no_ids(tmp_path: Path) -> None:
    rows: Rows = [("a", "1.23457E+11", "", ""), ("b", "2", "", "")]
    with pytest.raises(HistotileError, match="last digits are lost"):
        check_cohort(read_cohort(write(tmp_path / "s.csv", rows)), {})


def test_a_patient_stands_on_one_side(tmp_path: Path) -> None:
    rows: Rows = [("a", "P1", "", ""), ("b", "P1", "", ""), ("c", "P2", "", "")]
    for sides in (("holdout", "train"), ("", "external")):
        cohort = read_cohort(write(tmp_path / "s.csv", rows, sides))
        with pytest.raises(HistotileError, match=r"'P1', test \(row . *\) and not \(row .\)"):
            check_cohort(cohort, {})
    check_cohort(read_cohort(write(tmp_path / "s.csv", rows, ("test", "Testing"))), {})


def test_labels_name_the_class_that_was_meant(tmp_path: Path) -> None:
    rows: Rows = [("a", "", "", "tumor"), ("b", "", "", "healthy"), ("c", "", "", "Healthy")]
    cohort = read_cohort(write(tmp_path / "s.csv", rows))
    told = "; ".join(strange_labels(cohort.slides, ("healthy", "tumour")))
    assert "'tumor' (row 2) is not among classes" in told
    assert "did you mean 'tumour'?" in told
    assert "did you mean 'healthy'?" in told


def test_classes_are_spelt_in_one_way() -> None:
    with pytest.raises(HistotileError, match="'Tumour' and 'tumour ' look the same"):
        check_classes(("healthy", "Tumour", "tumour "), {})
    (finding,) = find_class_spellings(("healthy", "Tumour", "tumour "))
    check_classes(("healthy", "Tumour", "tumour "), {finding.id: "so be it"})
    check_classes(("ER+", "ER-"), {})


@pytest.mark.parametrize("name", ["1.23E+11", "2E+11", "123456789012345000"])
def test_ids_that_a_spreadsheet_rounded_are_named(tmp_path: Path, name: str) -> None:
    rows: Rows = [("a", name, "x", "healthy"), ("b", "123456789012345678", "x", "healthy")]
    (finding,) = find_spellings(read_cohort(write(tmp_path / "s.csv", rows)))
    assert finding.kind == "patient" and "row 2" in finding.fact


def test_a_row_behind_a_hash_is_asked_about(tmp_path: Path) -> None:
    rows: Rows = [("#a", "P1", "x", "healthy"), ("b#1", "P2", "x", "healthy")]
    cohort = read_cohort(write(tmp_path / "s.csv", rows))
    (finding,) = find_spellings(cohort)
    assert "'#a' (row 2)" in finding.fact
    check_cohort(cohort, {finding.id: "ids of our archive"}, "s.csv")


def test_numbers_as_labels_may_be_written_in_several_ways(tmp_path: Path) -> None:
    rows = [
        CohortSlide(f"s{n}", f"p{n}", tmp_path / f"s{n}", text)
        for n, text in enumerate(["5", "5.0", "5,0"])
    ]
    assert not find_spellings(Cohort(tuple(rows), True))
