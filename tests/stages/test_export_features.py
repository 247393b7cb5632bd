"""Features of a run, exported slide by slide."""

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from fixtures.models import *  # noqa: F403
from histotile.config import Backbone
from histotile.errors import HistotileError
from histotile.io.features import read_features
from histotile.stages import export_features
from histotile.training.job import FoldSlide


def test_all_slides_are_written_for_the_other_program(
    fold: list[FoldSlide], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [slide.features for slide in fold if slide.features is not None]
    inputs = export_features.Inputs(files, fold[0].tiles.parent)
    export_features.run(inputs, export_features.Outputs(tmp_path), "stamp", None)
    assert f"{len(fold)} slides for stamp" in capsys.readouterr().out
    for path in files:
        with h5py.File(tmp_path / path.name) as read:
            np.testing.assert_allclose(read["coords"][:], read_features(path).coords * 0.5)


def test_a_slide_without_tiles_is_named(
    make_slide: Callable[..., Path],
    embed: Callable[..., object],
    tiny_backbone: Backbone,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    table = make_slide("empty", excluded=["pen"] * 32)
    features = tmp_path / "embed" / "empty.h5"
    embed(table, tiny_backbone).write(features)  # type: ignore[attr-defined]
    inputs = export_features.Inputs([features], table.parent)
    export_features.run(inputs, export_features.Outputs(tmp_path / "out"), "clam", None)
    assert "0 slides for clam; without tiles, hence no file: empty" in capsys.readouterr().out
    with pytest.raises(HistotileError, match="there is no file"):
        nothing = export_features.Inputs([], table.parent)
        export_features.run(nothing, export_features.Outputs(tmp_path), "clam", None)
