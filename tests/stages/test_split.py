"""`histotile split` and `collect`: what stops them, and what a person may accept."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from histotile.cli import cli
from histotile.errors import HistotileError
from histotile.io.cohort import read_cohort
from histotile.io.cohort_checks import find_spellings

Split = Callable[..., Result]
CLASSES = ("healthy", "tumour")


@pytest.fixture
def split(tmp_path: Path) -> Split:
    """Runs the verb on rows of patient, label and side, with more options; raises its error."""

    def run(
        rows: list[tuple[str, str, str]], *more: str, classes: str = ",".join(CLASSES)
    ) -> Result:
        lines = [f"s{n},{p},s{n}.svs,{label},{side}" for n, (p, label, side) in enumerate(rows)]
        text = "\n".join(["slide_id,patient_id,path,label,split", *lines])
        (tmp_path / "c.csv").write_text(text, encoding="utf-8")
        words = ["split", str(tmp_path / "c.csv"), "-o", str(tmp_path / "f.csv"), *more]
        words += ["--classes", classes, "--set", "folds=2"]
        done = CliRunner().invoke(cli, words, catch_exceptions=True)
        if done.exception is not None:
            raise done.exception
        return done

    return run


def patients(count: int = 12) -> list[tuple[str, str, str]]:
    return [(f"P{n}", CLASSES[n % 2], "") for n in range(count)]


def roles(path: Path) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    with path.open(newline="", encoding="utf-8") as handle:
        for row in csv.DictReader(handle):
            found.setdefault(row["slide_id"], set()).add(row["role"])
    return found


@pytest.mark.parametrize("word", ["Hold-out", "testing", "External", "TEST SET"])
def test_slides_of_the_test_set_are_never_trained_on(
    split: Split, tmp_path: Path, word: str
) -> None:
    rows = [*patients(), ("X", "tumour", word)]
    split(rows)
    assert roles(tmp_path / "f.csv")["s12"] == {"test"}


def test_a_patient_spelt_twice_stops_until_accepted(split: Split, tmp_path: Path) -> None:
    rows = [*patients(), ("p 1", "tumour", "")]
    with pytest.raises(HistotileError, match=r"'P1' \(row 3\) and 'p 1' \(row 14\)"):
        split(rows)
    (finding,) = find_spellings(read_cohort(tmp_path / "c.csv"))
    done = split(rows, "--accept", json.dumps({finding.id: "a brother"}))
    assert "a brother" in done.output
    assert finding.id in done.output


def test_spaces_behind_the_commas_of_classes_are_none_of_theirs(
    split: Split, tmp_path: Path
) -> None:
    split(patients(), classes="healthy , tumour")
    first = roles(tmp_path / "f.csv")
    split(patients(), classes='["healthy", "tumour"]')
    assert roles(tmp_path / "f.csv") == first


def test_classes_spelt_twice_stop(split: Split) -> None:
    with pytest.raises(HistotileError, match="'tumour' and 'Tumour'"):
        split(patients(), classes="healthy,tumour,Tumour")


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        (["ok"] * 11 + ["fine"], "row 24: verdict 'fine' is none of ok, quarantined"),
        (["ok"] * 11, "does not judge slides s11"),
    ],
)
def test_the_ledger_judges_every_slide_in_words_that_are_known(
    split: Split, tmp_path: Path, verdicts: list[str], said: str
) -> None:
    rows = ["slide_id,verdict,reason", *(f's{n},{v},"a\nb"' for n, v in enumerate(verdicts))]
    ledger = tmp_path / "l.csv"
    ledger.write_text("\n".join(rows))
    with pytest.raises(HistotileError) as caught:
        split(patients(), "--triage", str(ledger))
    assert said in str(caught.value)


def test_quarantined_slides_are_left_out(split: Split, tmp_path: Path) -> None:
    verdicts = ["OK"] * 11 + ["Quarantined"]
    ledger = tmp_path / "l.csv"
    ledger.write_text(
        "\n".join(["slide_id,verdict", *(f"s{n},{v}" for n, v in enumerate(verdicts))])
    )
    split(patients(), "--triage", str(ledger))
    assert set(roles(tmp_path / "f.csv")) == {f"s{n}" for n in range(11)}


def test_groups_of_tiles_spelt_twice_stop_until_accepted(tmp_path: Path) -> None:
    for name in ("healthy/P 1/a.png", "tumour/p-1/b.png", "tumour/P2/c.png"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).touch()
    words = ["collect", str(tmp_path / "in"), "-o", str(tmp_path / "c.csv")]
    words += ["--classes", ",".join(CLASSES)]
    stopped = CliRunner().invoke(cli, words).exception
    assert isinstance(stopped, HistotileError)
    found = str(stopped).split("[")[1].split("]")[0]
    done = CliRunner().invoke(cli, [*words, "--accept", json.dumps({found: "two people"})])
    assert done.exit_code == 0
    assert "two people" in done.output
