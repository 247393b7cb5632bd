"""Evidence from files: rows stay aligned, test patients stay out, backbones must agree."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from histotile.errors import HistotileError
from histotile.io import tables
from histotile.io.features import BaselineFile, FeatureFile, Stage
from histotile.strategy.evidence import Evidence
from histotile.strategy.load_evidence import gather_evidence, patients_of_folds
from histotile.tasks.registry import make_task

CLASSES = ("healthy", "tumour")
TASK = make_task(CLASSES)
STAGES = (Stage(1, "layer1", 3, 10), Stage(2, "pool", 2, 40))
SLIDES = ("a", "b", "c", "d")
PATIENTS = {"a": "p1", "b": "p1", "c": "p2", "d": "p3"}
BACKBONE = {"name": "resnet18", "weights": "imagenet"}
TILES = 8


def fold_rows(slides: Sequence[str] = SLIDES, held_out: str = "d") -> list[dict[str, Any]]:
    rows = []
    for fold in (0, 1):
        for s in slides:
            role = "test" if s == held_out or (s == "c") == (fold == 1) else "train"
            row = {"fold": fold, "slide_id": s, "patient_id": PATIENTS[s], "site": "x" + s[0]}
            rows.append({**row, "label": "tumour", "role": role})
    return rows


def write_slide(folder: Path, slide_id: str, tile_ids: Sequence[int], backbone_id: str) -> None:
    number = SLIDES.index(slide_id)
    columns: dict[str, Any] = {
        field.name: [None if field.type == "string" else 0] * TILES for field in tables.TILES
    }
    columns |= {
        "tile_id": list(range(TILES)),
        "label": ["healthy", "tumour", None, "fat"] * 2,
        "excluded": [None] * 7 + ["pen"],
        "mean_r": [10.0 * number + t for t in range(TILES)],
    }
    columns |= {name: [False] * TILES for name in ("blur", "pen", "fold")}
    facts = {"slide_id": slide_id, "tile_px": 64, "tile_mpp": 0.5}
    tables.write_table(folder / f"{slide_id}.parquet", columns, tables.TILES, facts)
    ids = np.array(tile_ids, np.int32)
    marks = (100 * number + ids)[:, None].astype(np.float16)
    FeatureFile(
        features=np.repeat(marks, 2, 1),
        early=(np.repeat(-marks, 3, 1),),
        coords=np.zeros((len(ids), 2), np.int32),
        tile_ids=ids,
        thumbnails=None,
        stages=STAGES,
        facts={"backbone": BACKBONE, "backbone_id": backbone_id},
    ).write(folder / f"{slide_id}.h5")


def write_baseline(path: Path, sample: Sequence[tuple[str, int]]) -> None:
    marks = np.arange(len(sample), dtype=np.float16)[:, None]
    BaselineFile(
        slide_ids=np.array([s for s, _ in sample]),
        tile_ids=np.array([t for _, t in sample], np.int32),
        features=np.repeat(marks, 2, 1),
        early=(np.repeat(marks, 3, 1),),
        stages=STAGES,
        facts={"backbone": BACKBONE, "backbone_id": "same", "domain": "natural"},
    ).write(path)


def gathered(folder: Path, rows: Sequence[Mapping[str, Any]] | None = None) -> Evidence:
    return gather_evidence(
        folder, folder / "baseline.h5", folder, fold_rows() if rows is None else rows, TASK, True
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for slide_id in SLIDES:
        write_slide(tmp_path, slide_id, [5, 4, 0, 1], "same")
    sample = [("a", 0), ("a", 5), ("b", 1), ("c", 4), ("c", 7), ("d", 0)]
    write_baseline(tmp_path / "baseline.h5", sample)
    return tmp_path


def test_rows_stay_aligned(folder: Path) -> None:
    found = gathered(folder)
    # (c, 7) is excluded, (d, 0) is of the fixed test set
    assert found.features[1][:, 0].tolist() == [0, 5, 101, 204]
    assert found.features[0][:, 2].tolist() == [0, -5, -101, -204]
    assert [values[:, 0].tolist() for values in found.random] == [[0, 1, 2, 3]] * 2
    assert found.labels.tolist() == [0, 1, 1, 0]
    assert found.colour[:, 0].tolist() == [0, 5, 11, 24]
    assert found.patients.tolist() == [0, 0, 0, 1]
    assert found.slides.tolist() == [0, 0, 1, 2]
    assert found.sites is not None
    assert found.sites.tolist() == [0, 0, 1, 2]
    assert found.domain == "natural"


def test_counts_are_of_all_labelled_tiles(folder: Path) -> None:
    found = gathered(folder)
    assert found.facts["patient_ids"] == ["p1", "p2"]
    assert found.counts.tolist() == [[4, 4], [2, 2]], "2 slides of p1, 1 of p2; p3 only tests"


def test_folds_name_those_who_teach(folder: Path) -> None:
    assert patients_of_folds(fold_rows(), gathered(folder)) == {"0": {1}, "1": {0}}


def test_part_of_the_patients_is_numbered_anew(folder: Path) -> None:
    part = gathered(folder).where({1})
    assert part.patients.tolist() == [0]
    assert part.features[1][:, 0].tolist() == [204]
    assert part.random[0][:, 0].tolist() == [3]
    assert part.counts.tolist() == [[2, 2]]
    assert part.facts["patient_ids"] == ["p2"]


def test_tiles_that_could_not_be_embedded_are_left_out(folder: Path) -> None:
    write_slide(folder, "a", [5], "same")
    assert gathered(folder).features[1][:, 0].tolist() == [5, 101, 204]
    write_slide(folder, "a", [], "same")
    assert gathered(folder).features[1][:, 0].tolist() == [101, 204]


def test_a_cohort_without_sites(folder: Path) -> None:
    rows = [{**row, "site": ""} for row in fold_rows()]
    assert gathered(folder, rows).sites is None


def test_another_backbone_is_refused(folder: Path) -> None:
    write_slide(folder, "b", [0, 1], "other")
    with pytest.raises(HistotileError, match="backbone other"):
        gathered(folder)


def test_missing_features_are_named(folder: Path) -> None:
    (folder / "c.h5").unlink()
    with pytest.raises(HistotileError, match=r"c\.h5"):
        gathered(folder)


def test_a_fold_table_that_teaches_nobody(folder: Path) -> None:
    with pytest.raises(HistotileError, match="no slide trains"):
        gathered(folder, [{**row, "role": "test"} for row in fold_rows()])
