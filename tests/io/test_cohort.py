"""The cohort file: what is refused, and that all wrong rows are named at once."""

from pathlib import Path

import pytest

from histotile.errors import HistotileError
from histotile.io.cohort import cohort_csv, read_cohort


def write(path: Path, *rows: str) -> Path:
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def test_reads_optional_columns_and_spreadsheet_marks(tmp_path: Path) -> None:
    path = write(
        tmp_path / "slides.csv",
        "\ufeffslide_id,patient_id,path,label,annotation,site,mpp",
        "ä 😐,p1, a.svs ,tumour,a.geojson,north,0.25",
        "b,p2,b.svs,,,,",
    )
    cohort = read_cohort(path)
    assert cohort.has_patients
    first, second = cohort.slides
    assert (first.path, first.annotation, first.mpp) == (Path("a.svs"), Path("a.geojson"), 0.25)
    assert (second.label, second.annotation, second.site, second.mpp) == (None,) * 4
    assert cohort["b"] is second


def test_slides_stand_in_for_unknown_patients(tmp_path: Path) -> None:
    cohort = read_cohort(write(tmp_path / "s.csv", "slide_id,path", "a,a.svs"))
    assert not cohort.has_patients
    assert cohort["a"].patient_id == "a"


@pytest.mark.parametrize(
    ("rows", "facts"),
    [
        (
            ["slide_id,paht", "a,a.svs"],
            ["unknown column 'paht': did you mean 'path'?"],
        ),
        (["slide_id,path", "a,x.svs", "a,y.svs"], ["slide_id 'a' is listed 2 times"]),
        (["slide_id,path", "a,x.svs", "b,x.svs"], ["path 'x.svs' is listed 2 times"]),
        (
            ["slide_id,path", "a,d/../x.svs", "b,./x.svs"],
            ["path 'x.svs' is listed 2 times (rows 2, 3)"],
        ),
        (["slide_id,path", "../a,x.svs"], ["row 2", "cannot name a file"]),
        (["slide_id,path", "a.map,x.svs", "a,y.svs"], ["'a.map' is how files of slide 'a'"]),
        (["slide_id,path,mpp", "a,x.svs,0.5um", "b,y.svs,-1"], ["row 2", "row 3"]),
        (["slide_id,patient_id,path", "a,p,x.svs", "b,,y.svs"], ["row 3: patient_id is empty"]),
        (["slide_id,path"], ["no slide"]),
        (["slide_id,path,labels", "a,x.png,healthy"], ["row 2: labels is no JSON list"]),
        (["slide_id,path,labels", "a,x.png,[healthy"], ["row 2: labels is no JSON list"]),
        (["slide_id,path,mpp", "a,x.svs,1,05"], ["row 2 has 4 cells, the header 3"]),
    ],
)
def test_wrong_rows_are_named_together(tmp_path: Path, rows: list[str], facts: list[str]) -> None:
    with pytest.raises(HistotileError) as caught:
        read_cohort(write(tmp_path / "slides.csv", *rows))
    for fact in [*facts, "slides.csv", "Remedy"]:
        assert fact in str(caught.value)


def test_a_missing_file_says_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(HistotileError, match="slide_id, path"):
        read_cohort(tmp_path / "none.csv")


def test_a_split_says_who_is_never_trained_on(tmp_path: Path) -> None:
    cohort = read_cohort(
        write(tmp_path / "s.csv", "slide_id,path,split", "a,a.svs,Test", "b,b.svs,")
    )
    assert [slide.split for slide in cohort.slides] == ["test", None]
    assert not cohort.of_images


@pytest.mark.parametrize(
    "word", ["validation", "val", "dev", "tset", "yes", "1", "hold", "evaluation", "testt"]
)
def test_words_that_name_no_side_stop_with_their_rows(tmp_path: Path, word: str) -> None:
    rows = ["slide_id,path,split", "a,a.svs,holdout", f"b,b.svs,{word}", "c,c.svs,Training"]
    with pytest.raises(HistotileError, match=f"row 3: split '{word}' is no side"):
        read_cohort(write(tmp_path / "s.csv", *rows))
    sides = [s.split for s in read_cohort(write(tmp_path / "s.csv", *rows[:2], rows[3])).slides]
    assert sides == ["test", None]


def test_decimal_commas_and_separators_of_spreadsheets(tmp_path: Path) -> None:
    for rows in (
        ["slide_id;path;mpp;annotation", 'a;a.svs;0,25;"a.xml;b.xml"'],
        ["slide_id\tpath\tmpp\tannotation", "a\ta.svs\t0,25\ta.xml;b.xml"],
        ["slide_id,path,mpp,annotation", 'a,a.svs,"0,25",a.xml;b.xml', ",,,"],
    ):
        (slide,) = read_cohort(write(tmp_path / "s.csv", *rows)).slides
        assert (slide.mpp, slide.row, len(slide.annotations)) == (0.25, 2, 2)


def test_paths_of_home_are_written_out_and_those_of_windows_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    rows = ["slide_id,path,annotation", "a,~/a.svs,~/a.xml;b.xml"]
    (slide,) = read_cohort(write(tmp_path / "s.csv", *rows)).slides
    assert slide.path == Path("/home/me/a.svs")
    assert slide.annotations == (Path("/home/me/a.xml"), Path("b.xml"))
    for path in ("C:\\slides\\a.svs", "d:/slides/a.svs", "\\\\server\\a.svs", "slides\\a.svs"):
        with pytest.raises(HistotileError, match=r"row 2: path .* is a path of Windows"):
            read_cohort(write(tmp_path / "s.csv", "slide_id,path", f"a,{path}"))


def test_columns_that_people_call_otherwise_are_named(tmp_path: Path) -> None:
    rows = ["slide,Path,patient,Label,mmp", "a,a.svs,P1,x,1"]
    with pytest.raises(HistotileError) as caught:
        read_cohort(write(tmp_path / "s.csv", *rows))
    pairs = {"slide": "slide_id", "Path": "path", "patient": "patient_id", "Label": "label"}
    for wrong, meant in (pairs | {"mmp": "mpp"}).items():
        assert f"{wrong!r}: did you mean {meant!r}?" in str(caught.value)


def test_annotations_are_a_file_and_its_corrections(tmp_path: Path) -> None:
    rows = ["slide_id,path,annotation", "a,a.svs, a.xml ; b c.geojson;", "b,b.svs,", "c,c.svs,;"]
    first, second, third = read_cohort(write(tmp_path / "s.csv", *rows)).slides
    assert (first.annotation, first.corrections) == (Path("a.xml"), (Path("b c.geojson"),))
    assert first.annotations == (Path("a.xml"), Path("b c.geojson"))
    assert second.annotations == third.annotations == ()
    assert third.annotation is None


def test_tiles_of_another_program_are_named_per_slide(tmp_path: Path) -> None:
    rows = ["slide_id,path,coordinates", "a,a.svs,patches/a.h5", "b,b.svs,"]
    first, second = read_cohort(write(tmp_path / "s.csv", *rows)).slides
    assert (first.coordinates, second.coordinates) == (Path("patches/a.h5"), None)


def test_a_cohort_survives_being_written(tmp_path: Path) -> None:
    rows = ["slide_id,patient_id,path,label,annotation,site,mpp,split,coordinates"]
    rows += ['"a, 😐",p1,a.svs,tumour,a.geojson;b.xml,north,0.25,test,a.h5', "b,p2,b.svs,,,,,,"]
    cohort = read_cohort(write(tmp_path / "s.csv", *rows))
    (tmp_path / "again.csv").write_text(cohort_csv(cohort), encoding="utf-8")
    assert read_cohort(tmp_path / "again.csv") == cohort
