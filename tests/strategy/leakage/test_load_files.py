"""What alarms are told of the files of a cohort."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from histotile.config import Decide
from histotile.errors import HistotileError
from histotile.io.features import FeatureFile, Stage
from histotile.strategy.leakage.load_files import gather_alarm_files

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
