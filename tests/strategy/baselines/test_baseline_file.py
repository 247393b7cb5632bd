"""The baseline file: what is written is read back; anything else is refused."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from histotile.errors import HistotileError
from histotile.io.features import BaselineFile, Stage, read_baseline


def baseline() -> BaselineFile:
    rng = np.random.default_rng(0)
    return BaselineFile(
        slide_ids=np.array(["a", "a", "Schnitt Ä"]),
        tile_ids=np.array([3, 8, 0], np.int32),
        features=rng.normal(size=(3, 4)).astype(np.float16),
        early=(rng.normal(size=(3, 6)).astype(np.float16),),
        stages=(Stage(1, "blocks.0", 6, 100), Stage(2, "head", 4, 300)),
        facts={"backbone": {"name": "auto"}, "backbone_id": "0123", "seed": 4, "weights": [1, 2]},
    )


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    written = baseline()
    written.write(tmp_path / "sub" / "baseline.h5")
    read = read_baseline(tmp_path / "sub" / "baseline.h5")
    assert read.slide_ids.tolist() == ["a", "a", "Schnitt Ä"]
    assert read.tile_ids.dtype == np.int32
    assert read.tile_ids.tolist() == [3, 8, 0]
    for number in (1, 2):
        assert np.array_equal(read.of_stage(number), written.of_stage(number))
        assert read.of_stage(number).dtype == np.float16
    assert read.stages == written.stages
    assert read.facts == written.facts


def test_what_is_no_baseline_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HistotileError, match="histotile baseline"):
        read_baseline(tmp_path / "absent.h5")
    with h5py.File(tmp_path / "foreign.h5", "w") as file:
        file["features"] = np.zeros((1, 2))
    with pytest.raises(HistotileError, match="no baseline"):
        read_baseline(tmp_path / "foreign.h5")
