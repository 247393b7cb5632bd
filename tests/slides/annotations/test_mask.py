"""Label masks in the kinds people save, and those whose values cannot be trusted."""

import resource
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from histotile.errors import HistotileError
from histotile.slides.annotations import mask_image
from histotile.slides.annotations.read import read_annotations
from histotile.slides.slide import Bounds

ROWS, COLUMNS = 90, 120
SIZE = (COLUMNS * 10, ROWS * 10)


def areas(path: Path) -> dict[str, float]:
    """Name -> area in px of the mask."""
    found = read_annotations(path, Bounds(0, 0, *SIZE), SIZE)
    return {a.name: a.polygon.area / 100 for a in found}


@pytest.fixture
def labels() -> NDArray[np.uint8]:
    """1 in a frame, 2 in its hole, 3 in an island of that; areas 1800, 800, 400."""
    mask = np.zeros((ROWS, COLUMNS), np.uint8)
    mask[20:80, 30:80], mask[30:70, 40:70], mask[40:60, 45:65] = 1, 2, 3
    return mask


EXPECTED = {"1": 1800, "2": 800, "3": 400}


def red(mask: NDArray[Any]) -> NDArray[Any]:
    return np.stack([mask, 0 * mask, 0 * mask], axis=-1)


def grey(mask: NDArray[Any]) -> NDArray[Any]:
    return np.stack([mask] * 3, axis=-1)


@pytest.mark.parametrize("make", [lambda m: m, red, grey, lambda m: m.astype(np.uint16)])
@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp"])
def test_labels_in_one_channel_or_in_red(
    tmp_path: Path, labels: NDArray[np.uint8], make: Any, suffix: str
) -> None:
    mask = make(labels)
    if suffix == ".bmp" and mask.dtype != np.uint8:
        pytest.skip("BMP holds 8 bit")
    path = tmp_path / f"m{suffix}"
    if suffix == ".tif":
        tifffile.imwrite(path, mask)
    else:
        Image.fromarray(mask).save(path)
    assert areas(path) == EXPECTED


@pytest.mark.parametrize(
    ("channels", "options"),
    [
        (1, {"tile": (16, 32), "compression": "deflate"}),
        (3, {"tile": (32, 16), "compression": "lzw", "photometric": "rgb"}),
        (3, {"rowsperstrip": 7, "compression": "packbits", "photometric": "rgb"}),
        (3, {"planarconfig": "separate", "photometric": "rgb"}),
    ],
)
def test_pyramids_count_by_their_finest_level(
    tmp_path: Path, labels: NDArray[np.uint8], channels: int, options: dict[str, Any]
) -> None:
    path = tmp_path / "m.tif"
    mask = labels if channels == 1 else red(labels)
    planar = "planarconfig" in options
    with tifffile.TiffWriter(path) as tiff:
        for step in (1, 2, 4):
            level = mask[::step, ::step] // (3 if step > 1 else 1)  # smoothed, as some write it
            level = np.moveaxis(level, -1, 0) if planar else level
            tiff.write(level, subfiletype=int(step > 1), metadata=None, **options)
    assert areas(path) == EXPECTED


def test_large_masks_are_read_in_bands(
    tmp_path: Path, labels: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mask_image, "_BAND_PX", 7 * COLUMNS)
    Image.fromarray(labels).save(tmp_path / "m.png")
    found = read_annotations(tmp_path / "m.png", Bounds(0, 0, *SIZE), SIZE)
    assert {a.name: a.polygon.area / 100 for a in found} == EXPECTED
    assert [len(a.polygon.exterior.coords) for a in found if a.name == "3"] == [5]  # no seams


@pytest.mark.parametrize("kind", ["png", "pillow.tif", "group4.tif", "bool.tif", "bmp"])
def test_the_value_of_one_bit_is_one(tmp_path: Path, labels: NDArray[np.uint8], kind: str) -> None:
    path = tmp_path / f"m.{kind}"
    if kind == "bool.tif":
        tifffile.imwrite(path, labels > 0)
    else:
        options = {"compression": "group4"} if kind == "group4.tif" else {}
        Image.fromarray(labels > 0).convert("1").save(path, **options)
    assert areas(path) == {"1": 3000}


def test_palettes_of_colours_give_their_numbers_and_grey_ones_their_grey(
    tmp_path: Path, labels: NDArray[np.uint8]
) -> None:
    image = Image.fromarray(labels, "P")
    image.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0])
    image.save(tmp_path / "voc.png")
    assert areas(tmp_path / "voc.png") == EXPECTED
    shuffled = Image.fromarray(3 - labels, "P")  # as optimisers of PNG reorder grey palettes
    shuffled.putpalette([3, 3, 3, 2, 2, 2, 1, 1, 1, 0, 0, 0])
    shuffled.save(tmp_path / "grey.png")
    assert areas(tmp_path / "grey.png") == EXPECTED


def painted(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Labels as colours: black, red, green, white."""
    palette = np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0], [255, 255, 255]], np.uint8)
    return palette[labels]


def split(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Red labels above, grey ones below: neither."""
    mask = red(labels)
    mask[45:] = grey(labels)[45:]
    return mask


def transparent(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    alpha = np.where(labels == 3, 0, 255).astype(np.uint8)
    return np.dstack([grey(labels), alpha])


def test_a_png_that_asks_to_be_turned_is_refused(tmp_path: Path, labels: NDArray[np.uint8]) -> None:
    exif = Image.Exif()
    exif[274] = 3
    Image.fromarray(grey(labels)).save(tmp_path / "m.png", exif=exif)
    with pytest.raises(HistotileError, match="orientation 3"):
        areas(tmp_path / "m.png")


@pytest.mark.parametrize(
    ("make", "options", "words"),
    [
        (painted, {}, r"\(0, 255, 0\)"),
        (split, {}, "colours"),
        (transparent, {"photometric": "rgb", "extrasamples": ["unassalpha"]}, "transparent"),
        (lambda m: m.astype(np.float32), {}, "float32"),
        (red, {"compression": "jpeg"}, "JPEG"),
        (lambda m: 255 - m, {"photometric": "miniswhite"}, "white is zero"),
        (grey, {"extratags": [(274, "H", 1, 6, True)]}, "orientation 6"),
        (lambda m: np.stack([m, m]), {"photometric": "minisblack"}, "2 images"),
        (lambda m: np.arange(m.size).reshape(m.shape).astype(np.uint16), {}, "more values"),
    ],
)
def test_masks_whose_labels_cannot_be_trusted_are_refused(
    tmp_path: Path, labels: NDArray[np.uint8], make: Any, options: dict[str, Any], words: str
) -> None:
    path = tmp_path / "m.tif"
    tifffile.imwrite(path, make(labels), metadata=None, **options)
    with pytest.raises(HistotileError, match=words) as caught:
        areas(path)
    assert caught.value.remedy


def test_colours_of_sixteen_bit_are_refused(tmp_path: Path, labels: NDArray[np.uint8]) -> None:
    import cv2

    cv2.imwrite(str(tmp_path / "m.png"), red(labels.astype(np.uint16))[..., ::-1])
    with pytest.raises(HistotileError, match="16 bit"):
        areas(tmp_path / "m.png")


def test_opaque_masks_with_alpha_are_taken(tmp_path: Path, labels: NDArray[np.uint8]) -> None:
    alpha = np.where(labels > 0, 255, 0).astype(np.uint8)  # nothing painted, nothing hidden
    Image.fromarray(np.dstack([grey(labels), alpha])).save(tmp_path / "m.png")
    assert areas(tmp_path / "m.png") == EXPECTED


def test_a_mask_of_noise_is_refused_before_it_fills_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from histotile.slides.annotations import mask as annotation_mask

    monkeypatch.setattr(annotation_mask, "_MOST_EDGES", 1000)
    noise = np.random.default_rng(0).integers(0, 2, (ROWS, COLUMNS)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "m.png")
    with pytest.raises(HistotileError, match="edges"):
        areas(tmp_path / "m.png")


def test_shared_bombs_need_no_gigabyte(shared_data: Path) -> None:
    folder = shared_data.parent / "cases/hostile"
    square = (14_000, 14_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert not read_annotations(folder / "bomb196M.png", Bounds(0, 0, *square), square)
    for name in ("bigtile", "bomb2e31", "bombtile"):
        with pytest.raises(HistotileError, match="too large"):
            read_annotations(folder / f"{name}.tif", Bounds(0, 0, *square), square)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert after - before < 600_000  # kB
