"""What alarms are told of the files of a cohort."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from histotile.config import Decide
from histotile.errors import HistotileError
from histotile.io.cohort import Cohort, CohortSlide
from histotile.io.features import FeatureFile, Stage
from histotile.io.text.csv_file import write_columns
from histotile.strategy.leakage.load_files import gather_alarm_files, gather_tiles
from histotile.strategy.leakage.suggested_groups import suggest_groups
from histotile.tasks.registry import make_task
from histotile.tiling.image_cohort.listing import list_images

ROWS = [
    {"fold": "fold0", "slide_id": "a", "patient_id": "p1", "role": "train"},
    {"fold": "fold0", "slide_id": "b", "patient_id": "p2", "role": "test"},
]


@pytest.fixture
def features(tmp_path: Path) -> Callable[..., Path]:
    """Writes feature files of two slides into a folder."""

    def write(pictured: bool = True) -> Path:
        folder = tmp_path / "embed"
        pictures = np.random.default_rng(0).integers(0, 256, (2, 3, 32, 32), np.uint8)
        pictures[1, 2] = pictures[0, 1, ::-1]
        for number, name in enumerate(("a", "b")):
            values = np.full((3, 4), number, np.float16)
            FeatureFile(
                values,
                (),
                np.zeros((3, 2), np.int32),
                np.arange(3, dtype=np.int32),
                pictures[number] if pictured else None,
                (Stage(1, "all", 4, 10),),
                {"slide_id": name, "backbone": {}},
            ).write(folder / f"{name}.h5")
        return folder

    return write


def test_copies_formats_and_scales_of_all_slides_tested_ones_too(
    features: Callable[..., Path], tmp_path: Path, quick_settings: Decide
) -> None:
    inspections = tmp_path / "inspect"
    inspections.mkdir()
    facts = {"path": "/x/a.svs", "vendor": "aperio", "mpp": 0.25}
    (inspections / "a.json").write_text(json.dumps(facts))
    found = gather_alarm_files(features(), inspections, ROWS, quick_settings)
    assert found.duplicates is not None and found.duplicates.tiles == 6
    (pair,) = found.duplicates.pairs
    assert (pair.first, pair.second, pair.patients, pair.tiles) == ("a", "b", ("p1", "p2"), 1)
    assert found.formats == {"a": "aperio (.svs)"} and found.mpp == {"a": 0.25}


def test_cohorts_without_inspections(features: Callable[..., Path], quick_settings: Decide) -> None:
    found = gather_alarm_files(features(), None, ROWS, quick_settings)
    assert not found.formats and not found.mpp


def test_files_of_an_earlier_version_are_refused_not_taken_for_clean(
    features: Callable[..., Path], quick_settings: Decide
) -> None:
    with pytest.raises(HistotileError, match=r"a\.h5.*no thumbnails[\s\S]*histotile embed"):
        gather_alarm_files(features(pictured=False), None, ROWS, quick_settings)


def test_a_missing_feature_file_is_named(tmp_path: Path, quick_settings: Decide) -> None:
    with pytest.raises(HistotileError, match=r"a\.h5"):
        gather_alarm_files(tmp_path, None, ROWS, quick_settings)


def test_suggested_groups_of_ready_made_tiles_are_a_cohort_file(
    features: Callable[..., Path], tmp_path: Path, quick_settings: Decide
) -> None:
    tiles, slides = tmp_path / "tile", []
    tiles.mkdir()
    for name, patient in (("a", "p1"), ("b", "p2")):
        files = [str(tmp_path / f"{name}{k}.png") for k in range(4)]  # the last one is damaged
        for file in files:
            Path(file).touch()
        labels = ["healthy", "tumour"] * 2
        pq.write_table(pa.table({"file": files, "label": labels}), tiles / f"{name}.parquet")
        slides.append(CohortSlide(name, patient, Path(files[0]), labels=("healthy", "tumour")))
    embedded = features()
    images = gather_tiles(Cohort(tuple(slides), True), tiles, embedded)
    assert [image.row for image in images] == [0, 1, 2, None] * 2
    found = gather_alarm_files(embedded, None, ROWS, quick_settings).duplicates
    assert found is not None
    write_columns(tmp_path / "groups.csv", suggest_groups(found, {"a": "p1", "b": "p2"}, images))
    listed = list_images(tmp_path / "groups.csv", make_task(("healthy", "tumour")))
    assert len(listed.images) == 8 and {image.group for image in listed.images} == {"p1"}
    apart = [CohortSlide(name, name, Path(name)) for name in "ab"]
    assert not gather_tiles(Cohort(tuple(apart), True), tiles, embedded)
