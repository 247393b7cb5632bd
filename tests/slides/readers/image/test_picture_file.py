"""Plain pictures as slides of one level."""

from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from histotile.config import Inspect
from histotile.errors import HistotileError
from histotile.slides.inspection import examine, inspect_slide
from histotile.slides.slide import Slide

Rgb = NDArray[np.uint8]
SETTINGS = Inspect(
    unknown_mpp="stop", mpp_min=0.05, mpp_max=20, max_anisotropy=0.05, trust_objective_power=True
)


def picture() -> Rgb:
    rng = np.random.default_rng(0)
    rgb = np.full((192, 256, 3), (243, 242, 244), np.uint8)
    rgb[40:150, 60:200] = np.array((200, 110, 170)) + rng.integers(-30, 30, (110, 140, 1))
    return rgb


RGB = picture()


def shown(path: Path) -> Rgb:
    with Slide.open(path) as slide:
        assert slide.reader == "image"
        return slide.read(0, 0, 0, slide.width, slide.height)


@pytest.mark.parametrize("kind", ["png", "jpeg", "jp2", "webp", "bmp"])
def test_pictures_open_and_their_density_gives_the_mpp(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.{kind}"
    Image.fromarray(RGB).save(path, dpi=(50800, 50800), quality=95)
    assert np.abs(shown(path).astype(int) - RGB).mean() < 4
    found = inspect_slide(path, "a", SETTINGS)
    stated = kind in {"png", "jpeg", "bmp"}
    assert found.verdict == ("ok" if stated else "quarantined"), found.reason
    assert found.problem == (None if stated else "mpp")
    assert found.mpp == (pytest.approx(0.5, rel=1e-3) if stated else None)
    assert "plain" in found.reader_note
    given = examine(path, "a", SETTINGS, mpp=0.25 if not stated else 0.5)
    assert (given.verdict, given.mpp_source) == ("ok", "cohort column")


def test_a_density_for_print_is_no_mpp(tmp_path: Path) -> None:
    Image.fromarray(RGB).save(tmp_path / "a.png", dpi=(72, 72))
    found = examine(tmp_path / "a.png", "a", SETTINGS)
    assert (found.problem, found.mpp) == ("mpp", None)
    assert "352.7 um/px from density of the picture file" in str(found.reason)


def test_modes_are_shown_as_they_are_meant(tmp_path: Path) -> None:
    grey = RGB[..., 1]
    wide = imagecodecs.png_encode(grey.astype(np.uint16) * 257)
    (tmp_path / "16.png").write_bytes(wide)
    np.testing.assert_array_equal(shown(tmp_path / "16.png")[..., 0], grey)
    (tmp_path / "48.png").write_bytes(imagecodecs.png_encode(RGB.astype(np.uint16) * 257))
    np.testing.assert_array_equal(shown(tmp_path / "48.png"), RGB)
    few = Image.fromarray(RGB).quantize(30)
    few.save(tmp_path / "p.png")
    np.testing.assert_array_equal(shown(tmp_path / "p.png"), np.asarray(few.convert("RGB")))
    inks = Image.fromarray(RGB).convert("CMYK")
    inks.save(tmp_path / "c.jpg", quality=95)
    assert np.abs(shown(tmp_path / "c.jpg").astype(int) - RGB).mean() < 6


def test_transparent_px_are_white(tmp_path: Path) -> None:
    rgba = np.dstack([RGB // 2, np.full(RGB.shape[:2], 255, np.uint8)])
    rgba[:, :100, 3] = 0
    Image.fromarray(rgba).save(tmp_path / "a.png")
    pixels = shown(tmp_path / "a.png")
    assert (pixels[:, :100] == 255).all()
    np.testing.assert_array_equal(pixels[:, 100:], RGB[:, 100:] // 2)
    with Slide.open(tmp_path / "a.png") as slide:
        alpha = np.asarray(slide.read_rgba(0, 0, 0, 256, 192))[..., 3]
    np.testing.assert_array_equal(alpha, rgba[..., 3])


@pytest.mark.parametrize("kind", ["png", "jpg"])
def test_pictures_are_shown_upright_and_a_remark_says_so(tmp_path: Path, kind: str) -> None:
    exif = Image.Exif()
    exif[274] = 6
    path = tmp_path / f"a.{kind}"
    Image.fromarray(RGB).save(path, exif=exif, quality=95)
    pixels = shown(path)
    assert pixels.shape == (256, 192, 3)
    assert np.abs(pixels.astype(int) - np.rot90(RGB, -1)).mean() < 4
    found = examine(path, "a", SETTINGS, 0.5)
    assert (found.width, found.height) == (192, 256)
    assert any("EXIF orientation" in warning for warning in found.warnings)


@pytest.mark.parametrize("size", [300, -300])
def test_a_damaged_picture_is_set_aside(tmp_path: Path, size: int) -> None:
    Image.fromarray(RGB).save(tmp_path / "whole.jpg")
    (tmp_path / "a.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:size])
    found = inspect_slide(tmp_path / "a.jpg", "a", SETTINGS, 0.5)
    assert (found.verdict, found.problem) == ("quarantined", "unreadable")
    assert "remedy" in str(found.reason)


@pytest.mark.parametrize("name", ["a.mrxs", "a.svs", "a.vms"])
def test_a_picture_named_as_a_slide_is_not_taken_for_one(tmp_path: Path, name: str) -> None:
    Image.fromarray(RGB).save(tmp_path / "a.jpg")
    (tmp_path / name).write_bytes((tmp_path / "a.jpg").read_bytes())
    with pytest.raises(HistotileError):
        Slide.open(tmp_path / name)
