"""The workflow, run for real on labelled tile images without slides."""

import csv
import itertools
import json
import re
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from histotile.io import tables
from histotile.io.features import read_features
from histotile.synthetic.slides.sampler import TileSampler

CLASSES = ("healthy", "tumour")
SETTINGS: dict[str, Any] = {
    "results": "results",
    "cohort": "tiles",
    "classes": list(CLASSES),
    "backbone": {"name": "auto", "weights": "shipped:histology"},
    "tile": {"mpp": 0.5, "tile_px": 96},
    "split": {"folds": 2, "val_fraction": 0.25},
    "train": {"strategy": "linear_probe"},
    "baseline": {"max_tiles": 64},
    "decide": {"repeats": 1, "bootstraps": 20, "folds": 2},
    "verify": {"budget": "off"},
    "evaluate": {"bootstraps": 200},
    "export": {"formats": ["timm"], "tiles": 8},
}


def write_tile(path: Path, number: int, side_px: int = 96) -> None:
    """A synthetic tile of the class that the path names."""
    sampler = TileSampler(side_px, number, organs=("colon",), mode="easy")
    wanted = CLASSES.index(path.parent.name)
    rgb = next(rgb for n in range(100) for rgb, label, _ in [sampler.tile(n)] if label == wanted)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rgb).save(path)


def snakemake(folder: Path, repository: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *("snakemake", *words, "--cores", "2", "--snakefile", str(repository / "Snakefile")),
            *("--configfile", str(repository / "config/config.yaml"), "overlay.yaml"),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def planned(folder: Path, repository: Path, *targets: str) -> dict[str, int]:
    """Rule, of portions without their number -> number of jobs that a dry run would start."""
    run = snakemake(folder, repository, "--dry-run", *targets)
    assert run.returncode == 0, run.stdout + run.stderr
    rules = re.findall(r"^(?:local)?rule (\w+?)(?:_\d+)?:", run.stdout + run.stderr, re.M)
    return dict(Counter(rules))


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five patients with tiles of both classes; one image is damaged, one has another size."""
    folder = tmp_path_factory.mktemp("tiles")
    places = itertools.product(range(5), CLASSES, range(4))
    for number, (patient, label, n) in enumerate(places):
        write_tile(folder / f"tiles/ü {patient}/{label}/{n}.png", number)
    write_tile(folder / "tiles/ü 2/healthy/large.png", 1000, 192)
    (folder / "tiles/ü 3/tumour/broken.png").write_bytes(b"\x89PNG\r\n")
    (folder / "overlay.yaml").write_text(yaml.safe_dump(SETTINGS))
    return folder


@pytest.fixture(scope="module")
def done(fresh: Path, repository: Path) -> Path:
    """The same after the whole workflow."""
    run = snakemake(fresh, repository)
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-6000:]
    return fresh


@pytest.mark.slow
def test_tiles_without_slides_come_to_a_report(done: Path) -> None:
    results = done / "results"
    summary = (results / "report/summary.txt").read_text()
    for words in ("Groups: 5 ok", "41 used of 42 images", "unreadable 1", "broken.png"):
        assert words in summary
    page = (results / "report/index.html").read_text()
    assert "1 of 42 images were resized" in page
    assert not (results / "report/slides").exists()
    assert not (results / "mask").exists()
    assert json.loads((results / "export/fold0/parity.json").read_text())
    with (results / "evaluate/metrics.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert {row["level"] for row in rows} == {"tile"}
    (auroc,) = (
        float(row["value"])
        for row in rows
        if (row["model"], row["fold"], row["metric"]) == ("network", "mean", "auroc")
    )
    assert auroc > 0.8
    assert tables.read_table(results / "predict/ü 3.parquet").num_rows == 8


@pytest.mark.slow
def test_patients_stay_on_one_side(done: Path) -> None:
    with (done / "results/split/folds.csv").open(encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    assert len(rows) == 2 * 5
    assert all(row["slide_id"] == row["patient_id"] for row in rows)


@pytest.mark.slow
def test_one_more_image_runs_the_portion_of_its_group_alone(done: Path, repository: Path) -> None:
    assert planned(done, repository) == {}
    image = done / "tiles/ü 1/tumour/more.png"
    write_tile(image, 1001)
    try:
        found = planned(done, repository)
    finally:
        image.unlink()
    assert (found["tile_images"], found["embed"], found["train"]) == (1, 1, 2)


def test_wrong_classes_stop_before_the_first_job(fresh: Path, repository: Path) -> None:
    run = snakemake(fresh, repository, "--dry-run", "--config", 'classes=["benign","tumour"]')
    assert run.returncode != 0
    for fact in ("ü 0/healthy (4)", "['benign', 'tumour']", "Remedy"):
        assert fact in run.stdout + run.stderr


def test_many_groups_are_planned_without_a_look_into_them(
    fresh: Path, repository: Path, tmp_path: Path
) -> None:
    rows = ["path,label,group"]
    for n in range(200):
        (tmp_path / f"{n}.png").touch()
        rows.append(f"{tmp_path}/{n}.png,{CLASSES[n % 2]},p{n}")
    (tmp_path / "tiles.csv").write_text("\n".join(rows) + "\n")
    changes = ("--config", f"cohort={tmp_path}/tiles.csv", f"results={tmp_path}/out")
    run = snakemake(fresh, repository, "--dry-run", "--quiet", "rules", *changes)
    assert run.returncode == 0, run.stdout + run.stderr
    told = run.stdout + run.stderr
    assert 1 <= len(re.findall(r"^(tile_images_\d+) +1$", told, re.M)) < 8
    assert len(re.findall(r"^(embed_\d+) +1$", told, re.M)) < 8


@pytest.fixture
def crowded(tmp_path: Path) -> Path:
    """Three portions of groups of tiny tiles: a group of 256 images ends one."""
    for group, images in {"a": 4, "b": 256, "c": 4, "d": 256, "e": 4}.items():
        for number in range(images):
            path = tmp_path / f"tiles/{group}/{CLASSES[number % 2]}/{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            shade = np.random.default_rng([ord(group), number]).integers(0, 255, (8, 8, 3))
            Image.fromarray(shade.astype(np.uint8)).save(path)
    tiles = {"tile": {"mpp": 0.5, "tile_px": 64}}
    (tmp_path / "overlay.yaml").write_text(yaml.safe_dump(SETTINGS | tiles))
    return tmp_path


def test_groups_share_a_job_and_one_more_runs_its_portion_alone(
    crowded: Path, repository: Path
) -> None:
    files = [f"results/embed/{group}.h5" for group in "abcde"]
    given = ("--set-threads", "embed=2", "--set-resources", "embed:mem_mb=777*attempt")
    run = snakemake(crowded, repository, *files, *given)
    told = run.stdout + run.stderr
    assert run.returncode == 0, told[-6000:]
    assert len(re.findall(r"rule tile_images_\d:", told)) == 3
    of_embed = re.findall(r"rule embed_\d:(?:\n    .*)*", told)
    assert len(of_embed) == 3
    assert all("threads: 2" in job and "mem_mb=777" in job for job in of_embed)
    assert {len(read_features(crowded / file).tile_ids) for file in files} == {4, 256}
    for label in CLASSES:
        write_tile(crowded / f"tiles/bb/{label}/0.png", 0)
    again = planned(crowded, repository, *files, "results/embed/bb.h5")
    assert again == {"tile_images": 1, "embed": 1}
