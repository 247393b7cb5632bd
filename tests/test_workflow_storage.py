"""The workflow where jobs share no disk: inputs are staged, outputs stored, no more is seen."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from histotile.io.tables import read_table

SETTINGS: dict[str, Any] = {
    "results": "results",
    "cohort": "slides.csv",
    "backbone": {"name": "auto", "weights": "shipped:histology"},
    "tile": {"mpp": 0.5, "tile_px": 96, "stride_px": 96},
    "split": {"folds": 3, "val_fraction": 0.25},
    "baseline": {"max_tiles": 64},
    "decide": {"repeats": 1, "bootstraps": 50, "folds": 2},
    "train": {"strategy": "linear_probe", "max_tiles_per_slide": 60},
    "verify": {"budget": "off"},
    "evaluate": {"bootstraps": 200},
    "heatmap": {"overview_px": 512},
    "export": {"formats": ["timm"], "tiles": 8},
}
SLIDES = ("slides=6", "patients=6", "side_px=1024", "sites=2")  # the fewest for three folds
UNSHARED = ("--default-storage-provider", "fs", "--shared-fs-usage", "none")


def done(folder: Path, *words: str) -> None:
    run = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]


@pytest.mark.slow
def test_without_a_shared_disk_all_files_and_tables_are_the_same(
    tmp_path: Path, repository: Path
) -> None:
    files = [str(repository / "Snakefile"), str(repository / "config/config.yaml")]
    for name, words in (("shared", ()), ("unshared", UNSHARED)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "overlay.yaml").write_text(yaml.safe_dump(SETTINGS))
        done(folder, "histotile", "synthesize", ".", *(w for s in SLIDES for w in ("--set", s)))
        given = ("--snakefile", files[0], "--configfile", files[1], "overlay.yaml")
        done(folder, "snakemake", "--cores", "2", *words, *given)
    one, other = (tmp_path / name / "results" for name in ("shared", "unshared"))
    made = {p.relative_to(one) for p in one.rglob("*") if p.is_file()}
    lost = {str(p) for p in made if not (other / p).is_file() and "timestamp" not in p.name}
    assert not lost
    tables = [p for p in made if p.suffix == ".parquet"]
    assert len(tables) == 12
    for place in tables:
        assert read_table(one / place).equals(read_table(other / place)), place
    for name in ("split/folds", "aggregate/slides", "evaluate/metrics", "evaluate/confusion"):
        assert (one / f"{name}.csv").read_bytes() == (other / f"{name}.csv").read_bytes(), name
