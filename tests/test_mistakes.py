"""Mistakes that people make in cohort files and settings: each is named, and what was meant.

Each is tried as the workflow and the verb `check` look at it; some by both of them for real.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import tifffile
import yaml
from click.testing import CliRunner

from histotile.checks.problem import errors, tell
from histotile.checks.start import look
from histotile.cli import cli
from histotile.config.yaml_file import merged_settings
from histotile.errors import HistotileError

HEADER = "slide_id,patient_id,path,label,annotation,mpp"
BASE = "cohort: slides.csv\nbackbone: {name: auto, weights: 'shipped:histology'}\n"


@dataclass(frozen=True)
class Mistake:
    """What somebody wrote, and the words a message must hold.

    Attributes:
        says: Must stand in the message, all of them.
        header: Of the cohort file.
        rows: Changed rows: number -> row.
        settings: Text of the overlay below its usual lines.
        base: Its usual lines.
        entries: How many entries it makes; None: not counted.
    """

    says: tuple[str, ...]
    header: str = HEADER
    rows: dict[int, str] = field(default_factory=dict)
    settings: str = ""
    base: str = BASE
    entries: int | None = 1


SEVEN = Mistake(
    (
        "'slide': did you mean 'slide_id'",
        "'tumor' (row 3)",
        "tile.mppp",
        "'0,5' is no number",
        "`folds` belongs under",
        "slides/lost.tif does not exist",
        "shipped:histology",
    ),
    header="slide,patient_id,path,label,annotation,mpp",
    rows={1: "s1,p1,slides/s1.tif,tumor,,", 2: "s2,p2,slides/lost.tif,healthy,,"},
    settings="tile: {mppp: 1, mpp: '0,5'}\nfolds: 3\n",
    base="cohort: slides.csv\nbackbone: {name: auto, weights: 'shipd:histology'}\n",
    entries=7,
)
CHEAP = {
    "cohort file missing": Mistake(
        ("slide.csv", "no cohort file", "there is slides.csv"),
        base=BASE.replace("slides.csv", "slide.csv"),
    ),
    "`slide` for `slide_id`": Mistake(
        ("slides.csv", "'slide'", "'slide_id'"), header=HEADER.replace("slide_id", "slide")
    ),
    "`patient` and `Label`": Mistake(
        ("'patient'", "'patient_id'", "'Label'", "'label'"),
        header="slide_id,patient,path,Label,annotation,mpp",
        entries=2,
    ),
    "label not in classes": Mistake(
        ("slides.csv", "'necrosis'", "row 3", "healthy", "tumour"),
        rows={1: "s1,p1,slides/s1.tif,necrosis,,"},
    ),
    "no label column": Mistake(
        ("no slide has a label", "healthy, tumour", "column `label`"),
        header="slide_id,patient_id,path,site,annotation,mpp",
    ),
    "class typo in the cohort": Mistake(
        ("'tumor'", "row 3", "did you mean 'tumour'"), rows={1: "s1,p1,slides/s1.tif,tumor,,"}
    ),
    "class typo in settings": Mistake(
        ("tile.labels.outside", "'helthy'", "healthy, tumour", "did you mean 'healthy'"),
        settings="tile: {labels: {outside: helthy}}\n",
    ),
    "5 folds for 4 patients": Mistake(
        ("split.folds", "5 folds", "class 'healthy' has 4 patients", "set split.folds to 4"),
        settings="split: {folds: 5}\n",
    ),
    "weights typo": Mistake(
        ("backbone.weights", "'shipd:histology'", "did you mean `shipped:histology`"),
        base=BASE.replace("shipped", "shipd"),
    ),
    "weights file missing": Mistake(
        ("backbone.weights", "'weights/resnet.pth'", "hf-hub:org/name"),
        base=BASE.replace("shipped:histology", "weights/resnet.pth"),
    ),
    "results where a file is": Mistake(
        ("results", "slides.csv is a file, no folder"), settings="results: slides.csv\n"
    ),
    "results without a name": Mistake(("results", "no folder is named"), settings="results: ''\n"),
    "classes that look the same": Mistake(
        ("[spelling-", "'tumour' and 'Tumour'", "look the same"),
        settings="classes: [healthy, tumour, Tumour]\n",
    ),
    "key typo": Mistake(
        ("mine.yaml", "unknown key `tile.mppp`", "did you mean `tile.mpp`"),
        settings="tile: {mppp: 1.0}\n",
    ),
    "keys of a section not indented": Mistake(
        ("`tile` is empty: indent", "`tile_px` belongs under `tile`"),
        settings="tile:\ntile_px: 224\nstride_px: 224\n",
        entries=3,
    ),
    "a key one level too deep": Mistake(
        ("`mpp` belongs under", "`tile`", "not under `tile.labels`"),
        settings="tile:\n  labels:\n    mpp: 1.0\n",
    ),
    "a word of a fixed choice": Mistake(
        ("tile.labels.source", "'anotation'", "annotation, slide", "did you mean `annotation`"),
        settings="tile: {labels: {source: anotation}}\n",
    ),
    "tile.mpp of 0,5": Mistake(
        ("tile.mpp", "'0,5' is no number", "write a decimal point: 0.5"),
        settings="tile: {mpp: '0,5'}\n",
    ),
    "mpp in a column that is no number": Mistake(
        ("slides.csv", "row 3", "mpp", "'half'", "positive number"),
        rows={1: "s1,p1,slides/s1.tif,tumour,,half"},
    ),
    "an empty cell of the path": Mistake(
        ("slides.csv", "row 3", "path is empty"), rows={1: "s1,p1,,tumour,,"}
    ),
    "annotation missing, its name misspelt": Mistake(
        ("annotation slides/s1.tf", "does not exist", "there is slides/s1.tif"),
        rows={1: "s1,p1,slides/s1.tif,tumour,slides/s1.tf,"},
    ),
    "seven at once": SEVEN,
}


class Desk:
    """A folder with eight small slides of four patients per class, and settings over the usual."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, mistake: Mistake) -> None:
        """The cohort file and the overlay."""
        rows = [
            mistake.rows.get(n, f"s{n},p{n},slides/s{n}.tif,{('healthy', 'tumour')[n % 2]},,")
            for n in range(8)
        ]
        (self.folder / "slides.csv").write_text("\n".join([mistake.header, *rows]) + "\n")
        usual = yaml.safe_load(mistake.base + mistake.settings) or {}
        folds = "" if "split" in usual else "split: {folds: 3}\n"
        (self.folder / "mine.yaml").write_text(mistake.base + folds + mistake.settings)

    def check(self, *words: str) -> tuple[int, str]:
        """Status and output of `histotile check`."""
        arguments = ["--config", "mine.yaml", "check", *words]
        done = CliRunner().invoke(cli, arguments, catch_exceptions=False)
        return done.exit_code, done.output

    def dry_run(self, repository: Path) -> tuple[int, str]:
        """Status and output of `snakemake -n`."""
        files = ("config/config.yaml", "mine.yaml")
        words = ("-s", repository / "Snakefile", "--profile", "none", "-n", "-q", "--configfile")
        done = subprocess.run(
            ["snakemake", *map(str, words), *files],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def desk(tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    shutil.copytree(repository / "config", tmp_path / "config")
    (tmp_path / "slides").mkdir()
    for n in range(8):
        (tmp_path / f"slides/s{n}.tif").touch()
    monkeypatch.chdir(tmp_path)
    return Desk(tmp_path)


@pytest.mark.parametrize("mistake", CHEAP.values(), ids=CHEAP.keys())
def test_a_mistake_is_named_with_what_was_meant(desk: Desk, mistake: Mistake) -> None:
    desk.write(mistake)
    files = [Path("config/config.yaml"), Path("mine.yaml")]
    found = errors(look(merged_settings(files), files).problems)
    text = "\n".join(tell(found))
    for words in mistake.says:
        assert words in text, text
    assert mistake.entries is None or len(found) == mistake.entries, text
    assert "Input should" not in text and "Extra inputs" not in text


def test_a_folder_of_validation_tiles_is_said_to_be_trained_on(desk: Desk) -> None:
    for role in ("train", "val", "test"):
        for label in ("healthy", "tumour"):
            for patient in range(3):
                tile = desk.folder / f"tiles/{role}/{label}/{role}{label}{patient}/a.png"
                tile.parent.mkdir(parents=True)
                tile.touch()
    (desk.folder / "mine.yaml").write_text(BASE.replace("slides.csv", "tiles"))
    files = [Path("config/config.yaml"), Path("mine.yaml")]
    found = look(merged_settings(files), files).problems
    assert any(p.level == "warning" and "val" in p.fact and "train" in p.fact for p in found)


def test_nothing_is_wrong_where_nothing_is(desk: Desk) -> None:
    desk.write(Mistake(()))
    files = [Path("config/config.yaml"), Path("mine.yaml")]
    assert look(merged_settings(files), files).problems == ()


@pytest.mark.slow
@pytest.mark.parametrize("mistake", CHEAP.values(), ids=CHEAP.keys())
def test_the_workflow_names_every_mistake_in_a_dry_run(
    desk: Desk, repository: Path, mistake: Mistake
) -> None:
    desk.write(mistake)
    status, text = desk.dry_run(repository)
    assert status == 1
    for words in mistake.says:
        assert words in text, text


@pytest.mark.parametrize("name", ["5 folds for 4 patients", "seven at once"])
def test_the_workflow_stops_before_the_first_job(desk: Desk, repository: Path, name: str) -> None:
    desk.write(CHEAP[name])
    status, text = desk.dry_run(repository)
    assert status == 1
    assert "Traceback" not in text
    assert text.count(" wrong:\n") == 1, text
    for words in CHEAP[name].says:
        assert words in text, text


def test_some_stages_run_though_a_later_one_cannot(desk: Desk, repository: Path) -> None:
    desk.write(CHEAP["5 folds for 4 patients"])
    words = ("-s", str(repository / "Snakefile"), "--profile", "none", "-n", "-q")
    files = ("--configfile", "config/config.yaml", "mine.yaml")
    done = subprocess.run(["snakemake", *words, *files, "--until", "mask"], check=False)
    assert done.returncode == 0


def write_slides(mpp: float | None = 0.5) -> None:
    for n in range(8):
        options: dict[str, Any] = {"photometric": "rgb", "tile": (256, 256)}
        if mpp:
            options |= {"resolution": (1e4 / mpp, 1e4 / mpp), "resolutionunit": "CENTIMETER"}
        tifffile.imwrite(f"slides/s{n}.tif", _picture(n), **options)


def _picture(seed: int) -> Any:
    import numpy as np

    rng = np.random.default_rng(seed)
    pixels = np.full((512, 512, 3), 242, np.uint8)
    tissue = np.array((200, 120, 180)) + rng.normal(0, 14, (256, 256, 1))
    pixels[128:384, 128:384] = np.clip(tissue, 0, 255)
    return pixels


BOX = [[128, 128], [384, 128], [384, 384], [128, 384], [128, 128]]


def outlines(name: str, file: str, ring: list[list[int]] = BOX) -> None:
    feature = {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {"objectType": "annotation", "classification": {"name": name}},
    }
    Path(file).write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))


def far_outlines() -> None:
    write_slides()
    outlines("tumour", "s1.geojson", [[x + 90_000, y] for x, y in BOX])


def outlines_of_another() -> None:
    write_slides()
    outlines("tumour", "s3.geojson")


SMALL = "tile: {tile_px: 64, stride_px: 64, labels: {source: slide}}\n"
OUTLINED = "tile: {tile_px: 64, stride_px: 64}\n"
DEEP: dict[str, tuple[Mistake, Callable[[], None]]] = {
    "backbone typo": (
        Mistake(
            ("backbone.name", "'resnt18'", "did you mean 'resnet18'"),
            settings=SMALL,
            base="cohort: slides.csv\nbackbone: {name: resnt18, weights: none}\n",
        ),
        write_slides,
    ),
    "tile size the network does not take": (
        Mistake(
            ("tile.tile_px", "is 100", "multiples of 16 px", "use 112"),
            settings="tile: {tile_px: 100, stride_px: 100, labels: {source: slide}}\n",
            base="cohort: slides.csv\nbackbone: {name: vit_tiny_patch16_224, weights: none}\n",
        ),
        write_slides,
    ),
    "mpp missing": (
        Mistake(("slide s0", "mpp", "cannot be used"), settings=SMALL, entries=8),
        lambda: write_slides(None),
    ),
    "mpp of 50": (
        Mistake(
            ("slide s1", "50", "mpp"), rows={1: "s1,p1,slides/s1.tif,tumour,,50"}, settings=SMALL
        ),
        write_slides,
    ),
    "tiles finer than the slides": (
        Mistake(
            ("0.25 um/px", "up-sampled", "set tile.mpp >= 0.5"),
            settings="tile: {mpp: 0.25, tile_px: 64, stride_px: 64, labels: {source: slide}}\n",
            entries=8,
        ),
        write_slides,
    ),
    "annotation of another slide, by its name": (
        Mistake(
            ("slide s1", "s3.geojson", "bears the name of slide s3", "accept"),
            rows={1: "s1,p1,slides/s1.tif,tumour,s3.geojson,"},
            settings=OUTLINED,
        ),
        outlines_of_another,
    ),
    "annotation of another slide, by its place": (
        Mistake(
            ("slide s1", "s1.geojson", "outside the slide", "belongs to this slide"),
            rows={1: "s1,p1,slides/s1.tif,tumour,s1.geojson,"},
            settings=OUTLINED,
        ),
        far_outlines,
    ),
}


@pytest.mark.parametrize(("mistake", "prepare"), DEEP.values(), ids=DEEP.keys())
def test_what_must_be_opened_is_named_too(
    desk: Desk, mistake: Mistake, prepare: Callable[[], None]
) -> None:
    prepare()
    desk.write(mistake)
    status, text = desk.check("--no-forecast")
    assert status == 2, text
    for words in mistake.says:
        assert words in text, text
    assert mistake.entries is None or f"{mistake.entries} wrong:" in text, text
    assert "Traceback" not in text


def test_an_accepted_finding_no_longer_stops(desk: Desk) -> None:
    mistake, prepare = DEEP["annotation of another slide, by its name"]
    prepare()
    desk.write(mistake)
    found = json.loads(_stdout(desk.check("--no-forecast", "--json")[1]))
    (entry,) = found["errors"]
    name = entry["fact"].partition("]")[0].removeprefix("[")
    with Path("mine.yaml").open("a") as file:
        file.write(f"accept: {{{name}: drawn on both sections}}\n")
    status, text = desk.check("--no-forecast")
    assert status == 0, text
    assert "accepted" in text and "drawn on both sections" in text


def _stdout(text: str) -> str:
    return text[text.index("{") :]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("mppp=1", ("no setting 'mppp'", "did you mean `mpp`")),
        ("mpp=0,5", ("mpp", "'0,5' is no number", "0.5")),
        ("labels.source=slides", ("labels.source", "annotation, slide", "`slide`")),
        ("tilepx=64", ("tilepx", "tile_px")),
    ],
)
def test_set_names_what_was_meant(desk: Desk, change: str, says: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "histotile", "tile", "slides/s0.tif", "-o", "t.parquet"]
    done = subprocess.run([*command, "--set", change], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    for words in says:
        assert words in done.stderr


def test_errors_keep_their_parts_on_the_way_from_a_worker() -> None:
    import pickle

    error = HistotileError("slides.csv", "a; b", "mend them", ["a", "b"])
    assert pickle.loads(pickle.dumps(error)).parts == ("a", "b")
    assert HistotileError("x", "alone", "mend it").parts == ("alone",)
