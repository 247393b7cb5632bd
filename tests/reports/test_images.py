import base64
import io

import numpy as np
import pytest
from PIL import Image

from histotile.reports.images import data_uri, fit_jpeg, svg_uri, thumbnail


def encode(image: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_encoded_pictures_pass_unchanged(kind: str) -> None:
    encoded = encode(Image.new("RGB", (8, 8), "red"), kind)
    head, _, payload = data_uri(encoded).partition(";base64,")
    assert head == f"data:image/{kind.lower()}"
    assert base64.b64decode(payload) == encoded


def test_arrays_become_jpegs_of_the_same_picture() -> None:
    rgb = np.full((16, 24, 3), (200, 40, 90), np.uint8)
    payload = data_uri(rgb).removeprefix("data:image/jpeg;base64,")
    back = np.asarray(Image.open(io.BytesIO(base64.b64decode(payload))))
    assert back.shape == rgb.shape
    assert np.abs(back.astype(int) - rgb).max() <= 8


def test_other_bytes_are_refused() -> None:
    with pytest.raises(ValueError, match="not a PNG"):
        data_uri(b"<script>alert(1)</script>")


def test_svg_is_an_image() -> None:
    assert svg_uri("\n<svg/>").startswith("data:image/svg+xml;base64,")


@pytest.mark.parametrize(("size", "small"), [((1600, 800), (160, 80)), ((80, 40), (80, 40))])
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_thumbnails_are_small_jpegs(
    size: tuple[int, int], small: tuple[int, int], kind: str
) -> None:
    made = thumbnail(encode(Image.new("RGB", size, (10, 90, 200)), kind))
    image = Image.open(io.BytesIO(made))
    assert (image.format, image.size) == ("JPEG", small)
    assert np.abs(np.asarray(image).mean(axis=(0, 1)) - (10, 90, 200)).max() < 6
    assert len(made) < 4000


def test_clear_parts_of_a_heatmap_turn_white() -> None:
    made = thumbnail(encode(Image.new("RGBA", (50, 50), (0, 0, 0, 0)), "PNG"))
    assert np.asarray(Image.open(io.BytesIO(made))).min() > 250


@pytest.mark.parametrize("max_bytes", [400_000, 60_000, 9_000, 700])
def test_jpegs_are_made_to_fit(max_bytes: int) -> None:
    rgb = np.random.default_rng(0).integers(0, 255, (500, 700, 3), dtype=np.uint8)
    made = fit_jpeg(rgb, max_bytes)
    assert max_bytes / 10 < len(made) <= max_bytes
    image = Image.open(io.BytesIO(made))
    assert image.width / image.height == pytest.approx(7 / 5, rel=0.05)
    assert (image.size == (700, 500)) == (max_bytes > 200_000)


def test_a_jpeg_that_fits_at_once_keeps_size_and_turns_white_where_clear() -> None:
    clear = encode(Image.new("RGBA", (300, 200), (0, 0, 0, 0)), "PNG")
    image = Image.open(io.BytesIO(fit_jpeg(clear, 100_000)))
    assert (image.format, image.size) == ("JPEG", (300, 200))
    assert np.asarray(image).min() > 250
