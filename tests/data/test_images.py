"""Reading image files: every usual kind, brought to one size; what is damaged is said so."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from histotile.data.images import checksum, fit, read_image
from histotile.slides.slide import UnreadableTile

RNG = np.random.default_rng(0)


def rgb(height: int, width: int) -> np.ndarray:
    return RNG.integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp"])
def test_lossless_files_come_back_exactly(tmp_path: Path, suffix: str) -> None:
    pixels = rgb(32, 32)
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(pixels).save(path)
    np.testing.assert_array_equal(read_image(path, 32), pixels)


def test_middle_square_of_oblongs(tmp_path: Path) -> None:
    pixels = rgb(20, 33)
    np.testing.assert_array_equal(fit(pixels, 20), pixels[:, 6:26])
    np.testing.assert_array_equal(
        fit(pixels.transpose(1, 0, 2), 20), pixels.transpose(1, 0, 2)[6:26]
    )


def test_larger_ones_are_averaged_and_smaller_ones_keep_their_mean() -> None:
    pixels = rgb(64, 64)
    blocks = pixels.reshape(16, 4, 16, 4, 3).mean(axis=(1, 3))
    assert np.abs(fit(pixels, 16) - blocks).max() <= 0.5 + 1e-9
    smooth = np.full((16, 16, 3), (200, 120, 180), np.uint8)
    np.testing.assert_array_equal(fit(smooth, 64), np.full((64, 64, 3), (200, 120, 180), np.uint8))


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "CMYK"])
def test_other_modes_become_rgb(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "a.tif"
    Image.new("RGB", (16, 16), (102, 102, 102)).convert(mode).save(path)
    assert np.abs(read_image(path, 16).astype(int) - 102).max() <= 2


def test_what_is_clear_turns_white(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("RGBA", (16, 16), (10, 20, 30, 0)).save(path)
    assert (read_image(path, 16) == 255).all()


def broken(kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(rgb(64, 64)).save(buffer, "PNG")
    whole = buffer.getvalue()
    deep = io.BytesIO()
    Image.fromarray(RNG.integers(0, 60000, (16, 16)).astype(np.uint16)).save(deep, "TIFF")
    return {
        "empty": b"",
        "text": b"<html>not found</html>",
        "cut short": whole[: len(whole) // 2],
        "16 bit": deep.getvalue(),
    }[kind]


@pytest.mark.parametrize("kind", ["empty", "text", "cut short", "16 bit"])
def test_damaged_files_are_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "bad.png"
    path.write_bytes(broken(kind))
    with pytest.raises(UnreadableTile, match=r"bad\.png"):
        read_image(path, 16)


def test_missing_and_huge_files_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnreadableTile, match=r"none\.png.*No such file"):
        read_image(tmp_path / "none.png", 16)
    path = tmp_path / "big.png"
    Image.new("RGB", (64, 64)).save(path)
    monkeypatch.setattr("histotile.data.images._MOST_PX", 1000)
    with pytest.raises(UnreadableTile, match="a slide, not a tile"):
        read_image(path, 16)


def test_checksums_tell_files_apart() -> None:
    assert checksum(b"a") == checksum(b"a") != checksum(b"b")
    assert len(checksum(b"a")) == 16
