"""From doubted labels to QuPath and back: the verb `label-errors`, and tiling with corrections."""

import csv
import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from histotile.io import tables
from histotile.splitting.fold_table import write_folds
from histotile.tasks.registry import make_task

BOUNDS = (37, 21, 700, 480)
CLASSES = ("healthy", "tumour")
TASK = make_task(CLASSES)
SET = ("--set", "mpp=0.5", "--set", "tile_px=64", "--set", "stride_px=64")


def run(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["histotile", *map(str, words)], cwd=cwd, capture_output=True, text=True, check=False
    )


def succeed(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    done = run(*words, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def inspected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a slide that has bounds, its inspection and mask, and an outline of tumour."""
    desk = tmp_path_factory.mktemp("desk")
    noise = np.random.default_rng(0).integers(-20, 20, (560, 800, 3))
    rgb = (np.array([200, 140, 180]) + noise).astype(np.uint8)
    tifffile.imwrite(desk / "s.tiff", rgb, tile=(64, 64), photometric="rgb", compression="zlib")
    succeed("inspect", "s.tiff", "-o", "s.json", "--mpp", 0.46, cwd=desk)  # 69.57 px per tile
    found = json.loads((desk / "s.json").read_text())
    (desk / "s.json").write_text(json.dumps(found | {"bounds": BOUNDS}))
    Image.new("L", (80, 56), 255).save(desk / "mask.png")
    ring = [[0, 0], [350, 0], [350, 480], [0, 480], [0, 0]]  # as QuPath counts: from the bounds
    outline = {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {"classification": {"name": "tumour", "color": [200, 0, 0]}},
    }
    (desk / "outlines.geojson").write_text(json.dumps(outline))
    return desk


@pytest.fixture
def desk(inspected: Path, tmp_path: Path) -> Path:
    """A folder of its own with links to these."""
    for path in inspected.iterdir():
        (tmp_path / path.name).symlink_to(path)
    return tmp_path


def tile(desk: Path, *annotations: str, name: str = "s", source: str = "annotation") -> list[Any]:
    (desk / "results/tile").mkdir(parents=True, exist_ok=True)
    output = desk / f"results/tile/{name}.parquet"
    given = [word for path in annotations for word in ("--annotation", path)]
    change = ("--set", f"labels.source={source}", "--set", "labels.outside=healthy")
    inputs = ("--inspection", "s.json", "--mask", "mask.png", "--label", "tumour")
    succeed("tile", "s.tiff", "-o", output, *inputs, *given, *SET, *change, cwd=desk)
    footer = tables.read_footer(output)
    assert footer["bounds"] == list(BOUNDS)
    rows: list[Any] = tables.read_table(output).to_pylist()
    return rows


def predict(desk: Path, doubts: dict[int, float], name: str = "s", models: int = 1) -> None:
    """Predictions that agree with the labels, but for these tiles: probability of the label."""
    rows = tables.read_table(desk / f"results/tile/{name}.parquet").to_pylist()
    p = np.array([doubts.get(row["tile_id"], 0.9) for row in rows], np.float32)
    is_tumour = np.array([row["label"] == "tumour" for row in rows])
    tumour = np.where(is_tumour, p, 1 - p)
    columns: dict[str, Any] = {key: [row[key] for row in rows] for key in ("tile_id", "x", "y")}
    columns |= {"prob_healthy": 1 - tumour, "prob_tumour": tumour}
    columns |= {"distance": p, "familiarity": ["familiar"] * len(p)}
    footer = {"slide_id": name, "models": [f"m{k}" for k in range(models)]}
    path = desk / f"results/predict/{name}.parquet"
    tables.write_table(path, columns, tables.prediction_schema(TASK.columns), footer)


def write_cohort(desk: Path, *names: str) -> None:
    rows = [f"{name},p,{name}.tiff" for name in names]
    (desk / "cohort.csv").write_text("\n".join(["slide_id,patient_id,path", *rows]) + "\n")


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def test_relabelled_squares_change_exactly_their_tiles(desk: Path) -> None:
    before = tile(desk, "outlines.geojson")
    assert {"healthy", "tumour"} <= {row["label"] for row in before}
    labelled = [row["tile_id"] for row in before if row["label"] and not row["excluded"]]
    doubted = dict(zip(labelled[::3], (0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.4), strict=False))
    predict(desk, doubted)
    write_cohort(desk, "s", "absent")
    done = succeed("label-errors", "results", "--cohort", "cohort.csv", "-o", "out", cwd=desk)
    assert "label errors: 7, in 1 of 1 slides" in done.stdout
    assert "1 without predictions: absent" in done.stderr
    rows = read_rows(desk / "out/label_errors.csv")
    assert [int(row["tile_id"]) for row in rows] == list(doubted)
    assert [int(row["rank"]) for row in rows] == [1, 2, 3, 4, 5, 6, 7]

    # What QuPath writes back: no isLocked, a colour of the object, some classes changed.
    collection = json.loads((desk / "out/s.geojson").read_text())
    changed: dict[int, str | None] = {}
    for number, feature in enumerate(collection["features"]):
        properties = feature["properties"]
        del properties["isLocked"]
        properties["color"] = [255, 255, 0]
        label = properties["classification"]["name"]
        if number < 4:
            other = CLASSES[1 - CLASSES.index(label)]
            properties["classification"] = {"names": [other], "color": [1, 2, 3]}
            changed[list(doubted)[number]] = other
        elif number == 4:
            properties["classification"] = None
            changed[list(doubted)[number]] = None
        elif number == 5:
            del properties["classification"]
            changed[list(doubted)[number]] = None
    (desk / "corrected.geojson").write_text(json.dumps(collection))
    after = tile(desk, "outlines.geojson", "corrected.geojson")
    assert set(changed.values()) == {*CLASSES, None}  # both ways, and doubted by the reader, too
    expected = [changed.get(row["tile_id"], row["label"]) for row in before]
    assert [row["label"] for row in after] == expected
    footer = tables.read_footer(desk / "results/tile/s.parquet")
    outlines = [line for line in footer["ledger"] if line["kind"] == "outlines"]
    unnamed = [line for line in outlines if "is no class" in line["reason"]]
    assert sum(line["count"] for line in unnamed) == 2


def test_no_label_errors_are_said(desk: Path) -> None:
    tile(desk, "outlines.geojson")
    predict(desk, {})
    write_cohort(desk, "s")
    done = succeed("label-errors", "results", "--cohort", "cohort.csv", "-o", "out", cwd=desk)
    assert "no label errors" in done.stdout
    assert read_rows(desk / "out/label_errors.csv") == []
    assert [path.name for path in (desk / "out").iterdir()] == ["label_errors.csv"]


def test_inherited_labels_are_called_weak_and_corrections_are_not_overwritten(desk: Path) -> None:
    rows = tile(desk, source="slide")
    predict(desk, {row["tile_id"]: 0.1 for row in rows})
    write_cohort(desk, "s")
    words = ("label-errors", "results", "--cohort", "cohort.csv", "-o", "out", "--most", 3)
    done = succeed(*words, cwd=desk)
    assert "weak" in done.stderr
    assert "no fold table" in done.stderr
    assert len(read_rows(desk / "out/label_errors.csv")) == 3
    again = run(*words, cwd=desk)
    assert again.returncode == 2
    assert "corrected" in again.stderr
    assert "Remedy" in again.stderr


def test_only_predictions_of_models_that_have_not_seen_the_slide_count(desk: Path) -> None:
    tile(desk, "outlines.geojson")
    write_cohort(desk, "s")
    rows = [(k, "s", "p", None, "tumour", "test" if k == 1 else "train") for k in range(3)]
    names = tables.FOLDS.names
    folds = {name: [row[i] for row in rows] for i, name in enumerate(names)}
    for fold in range(3):  # a fold needs somebody to learn from and to stop by
        for role in ("train", "val"):
            other = (fold, role, role, None, "tumour", role)
            for name, value in zip(names, other, strict=True):
                folds[name].append(value)
    write_folds(desk / "results/split/folds.csv", folds)
    words = ("label-errors", "results", "--cohort", "cohort.csv", "-o", "out")
    predict(desk, {0: 0.1}, models=3)
    wrong = run(*words, cwd=desk)
    assert wrong.returncode == 2
    assert "predicted by 3 models, but 1 of them" in wrong.stderr
    predict(desk, {0: 0.1}, models=1)
    assert "fold table" not in succeed(*words, cwd=desk).stderr


def test_without_predictions_the_verb_says_what_to_run(desk: Path) -> None:
    (desk / "results").mkdir()
    write_cohort(desk, "s")
    done = run("label-errors", "results", "--cohort", "cohort.csv", "-o", "out", cwd=desk)
    assert done.returncode == 2
    assert "histotile predict" in done.stderr


def test_ready_made_tiles_are_listed_by_their_files_without_annotations(tmp_path: Path) -> None:
    n = 4
    columns: dict[str, Any] = {name: [None] * n for name in tables.TILES.names}
    columns |= {"tile_id": range(n), "x": [0] * n, "y": [0] * n, "label": ["healthy"] * n}
    columns |= {"file": [f"g/{i}, <b>.png" for i in range(n)]}
    footer: dict[str, Any] = {"slide_id": "g", "source": "images", "labels_source": "image"}
    footer |= {"classes": CLASSES, "size_level0_px": None, "tile_px": 64, "tile_mpp": 0.5}
    path = tmp_path / "results/tile/g.parquet"
    tables.write_table(path, columns, tables.TILES, footer)
    predict(tmp_path, {2: 0.25}, name="g")
    cohort = 'slide_id,patient_id,path,labels\ng,g,g/0.png,"[""healthy""]"\n'
    (tmp_path / "cohort.csv").write_text(cohort)
    words = ("label-errors", "results", "--cohort", "cohort.csv", "-o", "out")
    assert "label errors: 1, in 1 of 1 groups" in succeed(*words, cwd=tmp_path).stdout
    (row,) = read_rows(tmp_path / "out/label_errors.csv")
    assert (row["file"], row["x"], row["y"]) == ("g/2, <b>.png", "", "")
    assert (row["label"], row["pred"], row["disagreement"]) == ("healthy", "tumour", "0.75")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["label_errors.csv"]
