"""Sources: the pixels of a place or of a file, announced passes, and what reading cost."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from histotile.data.source import ImageSource, SlideSource, open_source
from histotile.io.tile_spec import IMAGES, TileSpec
from histotile.slides.slide import Slide, UnreadableTile
from histotile.slides.tile_reader import read_tile

SPEC = TileSpec("s", tile_px=32, tile_mpp=1.0, mpp=0.5)


def test_a_slide_is_open_as_long_as_its_source(make_slide: Any) -> None:
    path = make_slide("s")
    spec = replace(SPEC, path=path)
    assert not spec.is_of_images
    with open_source(spec) as source, Slide.open(path, 0.5) as slide:
        assert isinstance(source, SlideSource)
        found = source.read(128, 64, None)
        np.testing.assert_array_equal(found, read_tile(slide, 128, 64, 1.0, 32))
        assert (source.reader, source.reader_note) == (slide.reader, slide.reader_note)
        assert source.reader_note
    with pytest.raises(Exception, match=r"(?i)closed|handle|null"):
        source.read(128, 64, None)


def test_what_is_announced_is_what_is_then_read(
    make_slide: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    announced: list[tuple[int, ...]] = []
    asked: list[tuple[int, ...]] = []
    with Slide.open(make_slide("s"), 0.5) as slide:
        source = SlideSource(slide, 0.7, 40)
        read = slide.read

        def reading(x: int, y: int, level: int, width: int, height: int) -> np.ndarray:
            asked.append((level, x, y, width, height))
            return read(x, y, level, width, height)

        def expecting(level: int, windows: np.ndarray) -> None:
            announced.extend((level, *window) for window in windows.tolist())

        monkeypatch.setattr(slide, "read", reading)
        monkeypatch.setattr(slide, "expect", expecting)
        x, y = np.array([0, 56, 113, 700], np.int32), np.array([0, 0, 57, 480], np.int32)
        source.expect(x, y)
        for place in zip(x.tolist(), y.tolist(), strict=True):
            source.read(*place, None)
    assert announced == asked
    assert len(asked) == 4


def test_cost_grows_with_what_is_read(make_slide: Any) -> None:
    with open_source(replace(SPEC, path=make_slide("s"))) as source:
        source.read(0, 0, None)
        before = source.spent
        source.read(64, 64, None)
        assert before is not None and source.spent is not None
        assert source.spent[1] > before[1] > 0


def test_images_are_files_that_share_nothing(tmp_path: Path) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    Image.fromarray(rgb).save(tmp_path / "a.png")
    spec = replace(SPEC, mpp=None, source=IMAGES)
    assert spec.is_of_images
    with open_source(spec) as source:
        assert isinstance(source, ImageSource)
        source.expect(np.zeros(1, np.int32), np.zeros(1, np.int32))
        np.testing.assert_array_equal(source.read(0, 0, str(tmp_path / "a.png")), rgb)
        with pytest.raises(UnreadableTile):
            source.read(0, 0, str(tmp_path / "b.png"))
        assert (source.spent, source.reader, source.reader_note) == (None, "", "")
