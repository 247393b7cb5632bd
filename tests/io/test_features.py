from pathlib import Path

import numpy as np
import pytest

from histotile.errors import HistotileError
from histotile.io.features import FeatureFile, Stage, map_features


def test_mapped_features_are_those_in_the_file(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    last, early = (generator.normal(size=(5, width)).astype(np.float16) for width in (4, 2))
    stages = (Stage(1, "early", 2, 10), Stage(2, "last", 4, 20))
    places = np.zeros((5, 2), np.int32), np.arange(5, dtype=np.int32)
    facts = {"backbone": {"name": "none"}}
    FeatureFile(last, (early,), *places, None, stages, facts).write(tmp_path / "a.h5")
    for stage, expected in ((None, last), (1, early), (2, last)):
        mapped = map_features(tmp_path / "a.h5", stage)
        assert isinstance(mapped, np.memmap)
        np.testing.assert_array_equal(mapped, expected)
    with pytest.raises(HistotileError, match="has stages 1 to 2, not 3"):
        map_features(tmp_path / "a.h5", 3)
    with pytest.raises(HistotileError, match="no features of histotile"):
        map_features(tmp_path / "none.h5")


def test_a_slide_without_tiles_maps_to_no_rows(tmp_path: Path) -> None:
    empty = np.empty((0, 4), np.float16)
    places = np.empty((0, 2), np.int32), np.empty(0, np.int32)
    stages, facts = (Stage(1, "last", 4, 20),), {"backbone": {"name": "none"}}
    FeatureFile(empty, (), *places, None, stages, facts).write(tmp_path / "a.h5")
    assert map_features(tmp_path / "a.h5").shape == (0, 4)
