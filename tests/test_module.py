"""The workflow as a module of another one."""

import re
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from histotile.io import tables

OUTER = """
configfile: "config/config.yaml"


module histotile:
    snakefile: "{repository}/Snakefile"
    config: config["slides"]


use rule * from histotile as slides_*


rule count:
    default_target: True
    input:
        "of slides/triage/slides.csv",
    output:
        "count.txt",
    shell:
        "wc -l < {{input:q}} > {{output}}"
"""
SETTINGS: dict[str, Any] = {
    "cohort": "slides.csv",
    "results": "of slides",
    "classes": ["healthy", "border", "tumour"],
    "tile": {"tile_px": 96, "stride_px": 96},
    "backbone": {"name": "auto", "weights": "shipped:histology"},
}
TILES = "of slides/tile/slide_002.parquet"


def lay_out(folder: Path, repository: Path) -> None:
    """Another workflow, with a config.yaml that has keys of its own."""
    (folder / "config").mkdir()
    (folder / "config/config.yaml").write_text(yaml.safe_dump({"slides": SETTINGS, "threads": 3}))
    (folder / "Snakefile").write_text(OUTER.format(repository=repository))


def synthesize(folder: Path, **settings: int) -> None:
    """A cohort of synthetic slides in the folder."""
    words = [word for key, n in settings.items() for word in ("--set", f"{key}={n}")]
    subprocess.run(["histotile", "synthesize", ".", *words], cwd=folder, check=True)


def snakemake(folder: Path, *arguments: str) -> str:
    """What it says of a run that must succeed."""
    done = subprocess.run(
        ["snakemake", *arguments, "--cores", "1"], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_rules_have_the_names_and_settings_that_the_other_workflow_gives(
    tmp_path: Path, repository: Path
) -> None:
    lay_out(tmp_path, repository)
    (tmp_path / "slides.csv").write_text("slide_id,path\nslide_001,a.svs\nslide_002,b.svs\n")
    (tmp_path / "a.svs").touch()
    (tmp_path / "b.svs").touch()
    told = snakemake(tmp_path, "count.txt", TILES, "--dry-run", "--printshellcmds")
    planned = Counter(re.findall(r"^(?:local)?rule (\w+):", told, re.MULTILINE))
    assert planned == {
        **{"slides_inspect": 2, "slides_triage": 1, "slides_mask": 1, "slides_tile": 1},
        "count": 1,
    }
    assert '"tile_px":96' in told and '["healthy", "border", "tumour"]' in told
    assert '"mpp":0.5' in told  # of the config.yaml that comes with the workflow


WEIGHTS = """
rule weights:
    output:
        "made/config.json",
        "made/model.safetensors",
    params:
        shipped="{shipped}",
    shell:
        "cp {{params.shipped:q}}/config.json {{params.shipped:q}}/model.safetensors made"
"""


@pytest.mark.slow
def test_weights_that_a_rule_of_the_other_makes_are_used(tmp_path: Path, repository: Path) -> None:
    synthesize(tmp_path, slides=6, patients=6, side_px=1024)
    lay_out(tmp_path, repository)
    made: dict[str, Any] = {"backbone": {"name": "auto", "weights": "local-dir:made"}}
    made |= {"classes": ["healthy", "tumour"], "split": {"folds": 3}, "verify": {"budget": "off"}}
    (tmp_path / "config/config.yaml").write_text(yaml.safe_dump({"slides": SETTINGS | made}))
    failed = subprocess.run(
        ["snakemake", "slides_all", "--cores", "1"], cwd=tmp_path, capture_output=True, text=True
    )
    assert failed.returncode != 0
    assert "made/config.json" in failed.stderr and "make it by a rule" in failed.stderr
    with (tmp_path / "Snakefile").open("a") as outer:
        outer.write(
            WEIGHTS.format(shipped=repository / "src/histotile/backbones/shipped/histology")
        )
    snakemake(tmp_path, "slides_all")
    assert (tmp_path / "of slides/report/index.html").is_file()
    assert "Nothing to be done" in snakemake(tmp_path, "slides_all")
    (tmp_path / "made/model.safetensors").write_bytes(b"another")
    assert "slides_embed" in snakemake(tmp_path, "slides_all", "--dry-run")


@pytest.mark.slow
def test_its_jobs_run_beside_those_of_the_other(tmp_path: Path, repository: Path) -> None:
    synthesize(tmp_path, slides=2, patients=2, side_px=512)
    lay_out(tmp_path, repository)
    snakemake(tmp_path, "count.txt", TILES)
    assert (tmp_path / "count.txt").read_text().strip() == "3"  # a header and two slides
    assert tables.read_footer(tmp_path / TILES)["tile_px"] == 96
    assert tables.read_table(tmp_path / TILES).num_rows > 0
