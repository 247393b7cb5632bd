"""The command line as a user types it: each verb alone, on one synthetic slide."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from histotile.cli import cli
from histotile.cli.settings import partial_section, read_object, whole_config
from histotile.errors import HistotileError
from histotile.io import tables

STAGES = """init check synthesize inspect triage mask tile collect tile-images split backbone
embed baseline decide compare verify pack augment find-lr tune train predict export export-features
pretrain learn-slides aggregate evaluate heatmap label-errors report-slide report-decision
report-verification report-tuning report-figures report game runs apply"""


def run(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["histotile", *map(str, words)], cwd=cwd, capture_output=True, text=True, check=False
    )


def succeed(*words: object, cwd: Path) -> str:
    done = run(*words, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one slide, and no configuration: the shipped one is in force."""
    folder = tmp_path_factory.mktemp("desk")
    few = ("--set", "slides=1", "--set", "patients=1", "--set", "sites=1", "--set", "side_px=1024")
    succeed("synthesize", ".", *few, "--set", "flavour=svs", cwd=folder)
    (slide,) = (folder / "slides").glob("*.svs")
    slide.rename(folder / "slide.svs")
    return folder


def test_every_stage_is_a_verb_with_help() -> None:
    assert list(cli.commands) == STAGES.split()
    for verb in cli.commands.values():
        assert verb.help


def test_the_program_starts_as_a_module_and_collects_garbage_again() -> None:
    code = "import atexit, gc, sys; atexit.register(lambda: print(gc.isenabled()))"
    code += "; sys.argv[1:] = ['--version']; from histotile.__main__ import main; main()"
    told = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert told.startswith("histotile") and told.endswith("True\n")
    version = subprocess.check_output([sys.executable, "-m", "histotile", "--version"], text=True)
    assert version == succeed("--version", cwd=Path.cwd())


def test_help_names_settings_with_units(tmp_path: Path) -> None:
    text = succeed("tile", "--help", cwd=tmp_path)
    for words in ("um/px", "tile_px=", "level-0", "labels.positive_overlap=", "--set KEY=VALUE"):
        assert words in text


def test_a_slide_is_inspected_masked_and_tiled_alone(desk: Path) -> None:
    succeed("inspect", "slide.svs", "-o", "inspect.json", cwd=desk)
    found = json.loads((desk / "inspect.json").read_text())
    assert (found["verdict"], found["mpp"]) == ("ok", 0.5)
    succeed("mask", "slide.svs", "-o", "mask.png", "--overlay", "overlay.jpg", cwd=desk)
    small = ("--set", "tile_px=64", "--set", "stride_px=64")
    succeed("tile", "slide.svs", "-o", "alone.parquet", *small, cwd=desk)
    given = ("--inspection", "inspect.json", "--mask", "mask.png")
    succeed("tile", "slide.svs", "-o", "given.parquet", *given, *small, cwd=desk)
    alone, joined = (tables.read_table(desk / f"{n}.parquet") for n in ("alone", "given"))
    assert alone.num_rows > 20
    assert alone.equals(joined)


def test_mpp_on_the_command_line_comes_first(desk: Path) -> None:
    told = run("tile", "slide.svs", "-o", "m.parquet", "--mpp", "0.4", cwd=desk)
    footer = tables.read_footer(desk / "m.parquet")
    assert footer["mpp"] == 0.4
    assert footer["size_level0_px"] == pytest.approx(1.25 * footer["tile_px"])
    assert "0.4" in told.stderr and "0.5" in told.stderr


def test_another_mpp_than_the_file_says_must_be_accepted(desk: Path, tmp_path: Path) -> None:
    words = ("slide.svs", "-o", tmp_path / "s.json", "--mpp", "0.25")
    told = succeed("inspect", *words, cwd=desk)
    assert "quarantined" in told
    name = told[told.index("[scale-") + 1 : told.index("]")]
    accepted = succeed("inspect", *words, "--accept", f'{{"{name}": "measured"}}', cwd=desk)
    assert ": ok, 0.25 um/px (cohort column)" in accepted
    assert "accepted by the user: measured" in accepted


@pytest.mark.parametrize(
    ("words", "facts"),
    [
        (("--set", "mpp=0.1"), ["slide.svs", "0.1", "0.5", "Remedy"]),
        (("--set", "mppp=1"), ["mppp", "--help"]),
        (("--set", "mpp"), ["no `=`"]),
        (("--set", "mpp=-1"), ["mpp", "greater than 0"]),
        (("--settings", "{mpp: 1"), ["not JSON"]),
        (("--annotation", "slide.svs"), ["slide.svs", "Remedy"]),
    ],
)
def test_mistakes_end_with_2_and_name_fact_and_remedy(
    desk: Path, words: tuple[str, ...], facts: list[str]
) -> None:
    done = run("tile", "slide.svs", "-o", "wrong.parquet", *words, cwd=desk)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    for fact in facts:
        assert fact.removesuffix(".svs") in done.stderr
    assert not (desk / "wrong.parquet").exists()


def test_settings_given_as_json_need_no_file_of_settings_where_the_job_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config/config.yaml").write_text("threads: 3\n")  # of another workflow
    monkeypatch.chdir(tmp_path)
    assert whole_config('{"results": "theirs"}').results == "theirs"
    assert partial_section("train", '{"strategy": "finetune"}').strategy == "finetune"
    with pytest.raises(HistotileError, match="threads"):
        whole_config(None)


@pytest.mark.parametrize(("given", "fact"), [("{mpp: 1", "not JSON"), ("[1]", "no object")])
def test_json_that_is_no_object_is_refused_by_the_name_of_its_option(given: str, fact: str) -> None:
    with pytest.raises(HistotileError, match=f"--train: .*{fact}"):
        read_object("--train", given)


def test_a_file_that_is_no_slide_is_refused_with_its_reason(desk: Path) -> None:
    (desk / "empty.svs").touch()
    done = run("tile", "empty.svs", "-o", "wrong.parquet", cwd=desk)
    assert done.returncode == 2
    assert "zero bytes" in done.stderr


def test_an_exported_model_is_applied_to_a_slide(desk: Path) -> None:
    from histotile.backbones.build import build_network
    from histotile.config import Backbone
    from histotile.exports import timm_folder
    from histotile.inference.checkpoint import TrainedModel

    backbone = Backbone(name="auto", weights="shipped:natural", domain="auto", options={})
    network, architecture = build_network(backbone, 3, 64)
    classes = ("benign", "border", "tumour")
    made = backbone.model_dump()
    model = TrainedModel(network.eval(), architecture, classes, 1.0, 64, "linear_probe", made, {})
    timm_folder.write(model, desk / "exported")
    succeed("apply", "exported", "slide.svs", "out", "--slide-id", "new <slide>", cwd=desk)
    predictions = tables.read_table(desk / "out/predict/new <slide>.parquet")
    assert predictions.num_rows > 0
    assert [n for n in predictions.column_names if n.startswith("prob_")] == [
        f"prob_{name}" for name in classes
    ]
    page = (desk / "out/report/slides/new <slide>.html").read_text()
    assert "new &lt;slide&gt;" in page
    assert "Research use only" in page
    assert "No score" not in page
    assert '"mask":"data:image/png' in page
    assert (desk / "out/heatmap/new <slide>.png").is_file()
