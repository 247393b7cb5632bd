"""What `snakemake` says of mistakes in settings and cohort before the first job."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from histotile.io.cohort import read_cohort
from histotile.io.cohort_checks import find_spellings

Start = Callable[..., str]
OVERLAY = """
cohort: slides.csv
backbone: {name: auto, weights: "shipped:histology"}
verify: {budget: "off"}
"""
TRIAGE = "results/triage/slides.csv"  # two slides are too few to be split
HEADER = "slide_id,patient_id,path,label,split\n"


@pytest.fixture
def start(tmp_path: Path, repository: Path) -> Start:
    """What a dry run says of these rows and these further settings; `Building DAG` if it begins."""

    def run(rows: str, settings: str = "", encoding: str = "utf-8", target: str = TRIAGE) -> str:
        (tmp_path / "a.svs").touch()
        (tmp_path / "b.svs").touch()
        (tmp_path / "slides.csv").write_bytes((HEADER + rows).encode(encoding))
        (tmp_path / "mine.yaml").write_text(OVERLAY + settings, encoding="utf-8")
        done = subprocess.run(
            [
                *("snakemake", target, "--dry-run", "--quiet", "rules", "--cores", "1"),
                *("--snakefile", str(repository / "Snakefile")),
                *("--configfile", str(repository / "config/config.yaml"), "mine.yaml"),
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        said = done.stdout + done.stderr
        assert "Traceback" not in said
        assert (done.returncode == 0) == ("Building DAG" in said and " wrong:" not in said)
        return said

    return run


GOOD = "a,Müller,a.svs,tumour,\nb,Köln,b.svs,healthy,Hold-out\n"


@pytest.mark.parametrize(
    ("rows", "settings", "said"),
    [
        (GOOD, "tile: {tile_px: 64}\ntile: {mpp: 1.0}\n", "line 6: `tile` is written twice"),
        (GOOD.replace("Hold-out", "validation"), "", "row 3: split 'validation' is no side"),
        ("a,12,a.svs,tumour,\nb,12.0,b.svs,healthy,\n", "", "'12' (row 2) and '12.0' (row 3)"),
    ],
)
def test_mistakes_stop_before_the_first_job(
    start: Start, rows: str, settings: str, said: str
) -> None:
    found = start(rows, settings)
    assert said in found
    assert "Remedy: " in found


def test_what_spreadsheets_save_and_people_accept_begins(start: Start, tmp_path: Path) -> None:
    assert "Building DAG" in start(GOOD, encoding="cp1252")
    rows = "a,12,a.svs,no,\nb,12.0,b.svs,0,\n"
    (tmp_path / "slides.csv").write_text(HEADER + rows)
    (finding,) = find_spellings(read_cohort(tmp_path / "slides.csv"))
    settings = "classes: [0, no]\nheatmap: {class_name: no}\n"
    settings += "tile: {labels: {outside: 0, names: {tumor: no}}}\n"
    assert "Building DAG" in start(rows, f"{settings}accept: {{{finding.id}: 1}}\n")


def test_new_slides_are_checked_as_the_cohort_is(start: Start, tmp_path: Path) -> None:
    rows = "a,P1,a.svs,tumour,\nb,P2,b.svs,healthy,\n"
    (tmp_path / "model.onnx").touch()
    settings = "apply: {slides: new.csv, model: model.onnx}\n"
    new = tmp_path / "new.csv"
    new.write_text("slide_id,patient_id,path\na,12,a.svs\nb,12.0,b.svs\n")
    assert "'12' (row 2) and '12.0' (row 3)" in start(rows, settings, target="apply")
    new.write_text("slide_id,patient_id,path\na,1,a.svs\nb,2,b.svs\n")
    assert "apply_slide" in start(rows, settings, target="apply")


def test_braces_and_angles_are_text_in_settings_and_refused_in_paths(start: Start) -> None:
    rows = "a,1,a.svs,tumour,\nb,2,b.svs,healthy,\n"
    title = "report: {title: '{slide_id} {draft} <results> <x>'}\n"
    assert "Building DAG" in start(rows, f"{title}classes: [healthy, tumour, '{{c}} <d>']\n")
    assert "column path: {old}/a.svs (row 2)" in start(rows.replace("a.svs", "{old}/a.svs"))
