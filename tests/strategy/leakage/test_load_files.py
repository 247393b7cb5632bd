"""What alarms are told of the files of a cohort."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

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

    def write(hashed: bool = True) -> Path:
        folder = tmp_path / "embed"
        for number, name in enumerate(("a", "b")):
            values = np.full((3, 4), number, np.float16)
            FeatureFile(
                values,
                (),
                np.zeros((3, 2), np.int32),
                np.arange(3, dtype=np.int32),
                np.arange(3, dtype=np.uint64) if hashed else None,
                (Stage(1, "all", 4, 10),),
                {"slide_id": name, "backbone": {}},
            ).write(folder / f"{name}.h5")
        return folder

    return write


def test_hashes_formats_and_scales_of_all_slides_tested_ones_too(
    features: Callable[..., Path], tmp_path: Path
) -> None:
    inspections = tmp_path / "inspect"
    inspections.mkdir()
    facts = {"path": "/x/a.svs", "vendor": "aperio", "mpp": 0.25}
    (inspections / "a.json").write_text(json.dumps(facts))
    found = gather_alarm_files(features(), inspections, ROWS)
    assert [(s.slide_id, s.patient_id, len(s.dhash)) for s in found.hashed] == [
        ("a", "p1", 3),
        ("b", "p2", 3),
    ]
    assert found.hashed[1].features().tolist() == [[1.0] * 4] * 3
    assert found.formats == {"a": "aperio (.svs)"} and found.mpp == {"a": 0.25}


def test_files_without_hashes_and_cohorts_without_inspections(
    features: Callable[..., Path],
) -> None:
    found = gather_alarm_files(features(hashed=False), None, ROWS)
    assert [len(s.dhash) for s in found.hashed] == [0, 0]
    assert not found.formats and not found.mpp


def test_a_missing_feature_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(HistotileError, match=r"a\.h5"):
        gather_alarm_files(tmp_path, None, ROWS)
