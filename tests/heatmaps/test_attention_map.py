from pathlib import Path

import numpy as np
import pyarrow as pa

from histotile.config import Heatmap
from histotile.config.yaml_file import read_config
from histotile.heatmaps.attention_map import paint_attention
from histotile.heatmaps.heatmap import colours
from histotile.io.tile_spec import TileSpec

SPEC = TileSpec("s", 100, 0.5, None, 0.5, 100.0, 100.0, 400, 100, (0, 0, 400, 100))


def looked(weights: list[float]) -> pa.Table:
    x = np.arange(len(weights)) * 100
    return pa.table({"x": x, "y": x * 0, "attention": np.array(weights, np.float32)})


def has(picture: np.ndarray, rgb: np.ndarray) -> bool:
    return bool((picture == rgb).all(axis=2).any())


def test_ranks_are_painted_in_colours_that_no_probability_has(repository: Path) -> None:
    settings: Heatmap = read_config(repository / "config" / "config.yaml").heatmap
    # Weights of a thousand to one look as those of two to one: ranks count.
    picture = paint_attention(looked([0.001, 0.002, 0.003, 0.994]), SPEC, settings)
    again = paint_attention(looked([0.1, 0.2, 0.3, 0.4]), SPEC, settings)
    assert picture is not None
    np.testing.assert_array_equal(picture, again)
    inferno = settings.model_copy(update={"colormap": "inferno"})
    for share in (0.0, 1 / 3, 2 / 3, 1.0):
        assert has(picture, colours(np.array(share), inferno))
    assert not has(picture, colours(np.array(0.5), settings))
    alike = paint_attention(looked([0.25, 0.25, 0.25, 0.25]), SPEC, settings)
    assert alike is not None
    assert has(alike, colours(np.array(0.5), inferno))


def test_a_slide_without_tiles_has_no_picture(repository: Path) -> None:
    settings = read_config(repository / "config" / "config.yaml").heatmap
    assert paint_attention(looked([]), SPEC, settings) is None
