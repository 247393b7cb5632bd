"""Samples of every kind are shown as they are meant, or refused in words."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from histotile.config import Inspect
from histotile.errors import HistotileError
from histotile.slides.inspection import Inspection, examine
from histotile.slides.slide import Slide

Rgb = NDArray[np.uint8]
SETTINGS = Inspect(
    unknown_mpp="stop", mpp_min=0.05, mpp_max=20, max_anisotropy=0.05, trust_objective_power=True
)
HALF_MICRON = {"resolution": (2e4, 2e4), "resolutionunit": "CENTIMETER"}


def tissue(width: int = 256, height: int = 192) -> Rgb:
    """Pink grain on glass."""
    rng = np.random.default_rng(0)
    rgb = np.full((height, width, 3), (243.0, 242.0, 244.0))
    rgb[40:150, 60:200] = (200, 110, 170)
    rgb[40:150, 60:200] += rng.normal(0, 25, (110, 140, 1))
    return np.clip(rgb + rng.normal(0, 1.5, rgb.shape), 0, 255).astype(np.uint8)


RGB = tissue()


def write(path: Path, samples: NDArray[Any], **how: Any) -> Path:
    how = {"metadata": None, "rowsperstrip": 31, "compression": "deflate"} | HALF_MICRON | how
    tifffile.imwrite(path, samples, **how)
    return path


def shown(path: Path) -> Rgb:
    with Slide.open(path) as slide:
        assert slide.reader == "image"
        return slide.read(0, 0, 0, slide.width, slide.height)


def alike(one: Rgb, other: NDArray[Any], most: int = 1) -> bool:
    return bool(np.abs(one.astype(int) - other.astype(int)).max() <= most)


@pytest.mark.parametrize("compression", [None, "deflate", "lzw", "packbits", "zstd"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_sixteen_bits_are_shown_as_eight(tmp_path: Path, compression: str, order: str) -> None:
    wide = RGB.astype(np.uint16) * 257
    path = write(
        tmp_path / "a.tif", wide, photometric="rgb", compression=compression, byteorder=order
    )
    assert alike(shown(path), RGB, 0)
    found = examine(path, "a", SETTINGS)
    assert (found.verdict, found.reader) == ("ok", "image")
    assert found.mpp == pytest.approx(0.5)
    assert any("16 bits" in warning for warning in found.warnings)


def test_grey_of_one_to_sixteen_bits(tmp_path: Path) -> None:
    grey = RGB[..., 1]
    three = np.repeat(grey[..., None], 3, axis=2)
    assert alike(shown(write(tmp_path / "a.tif", grey)), three, 0)
    twelve = write(
        tmp_path / "b.tif", grey.astype(np.uint16) << 4, bitspersample=12, compression=None
    )
    assert alike(shown(twelve), three)
    white_is_0 = write(tmp_path / "c.tif", 255 - grey, photometric="miniswhite")
    assert alike(shown(white_is_0), three, 0)
    black = write(tmp_path / "d.tif", grey > 220, compression=None, photometric="minisblack")
    assert alike(shown(black), np.where(three > 220, 255, 0), 0)
    found = examine(tmp_path / "a.tif", "a", SETTINGS)
    assert found.verdict == "ok"
    assert any("one grey channel" in warning for warning in found.warnings)


@pytest.mark.parametrize("kind", ["unassalpha", "assocalpha", "unspecified"])
def test_transparent_px_are_white(tmp_path: Path, kind: str) -> None:
    alpha = np.zeros(RGB.shape[:2], np.uint8)
    alpha[:, 100:] = 255
    alpha[:, 60:100] = 128
    rgba = np.dstack([RGB, alpha])
    part = alpha[..., None] / 255.0
    if kind == "assocalpha":
        rgba[..., :3] = np.rint(RGB * part)
    path = write(tmp_path / "a.tif", rgba, photometric="rgb", extrasamples=[kind])
    expected = RGB if kind == "unspecified" else RGB * part + 255 * (1 - part)
    assert alike(shown(path), expected)
    with Slide.open(path) as slide:
        found = np.asarray(slide.read_rgba(0, 0, 0, 256, 192))[..., 3]
    np.testing.assert_array_equal(found, np.full_like(alpha, 255) if kind[0:3] == "uns" else alpha)


def test_palettes_cmyk_and_luminance(tmp_path: Path) -> None:
    few = Image.fromarray(RGB).quantize(60)
    table = np.zeros((3, 256), np.uint16)
    colours = np.array(few.getpalette(), np.uint16).reshape(-1, 3)
    table[:, : len(colours)] = colours.T * 257
    path = write(tmp_path / "p.tif", np.asarray(few), photometric="palette", colormap=table)
    assert alike(shown(path), np.asarray(few.convert("RGB")), 0)
    inks = Image.fromarray(RGB).convert("CMYK")
    path = write(tmp_path / "c.tif", np.asarray(inks), photometric="separated")
    assert alike(shown(path), RGB)
    path = tmp_path / "y.tif"
    Image.fromarray(RGB).convert("YCbCr").save(path, compression="tiff_lzw")
    assert alike(shown(path), RGB, 3)
    Image.fromarray(RGB).save(tmp_path / "j.tif", compression="jpeg", quality=95)
    assert alike(shown(tmp_path / "j.tif"), RGB, 60)
    assert np.abs(shown(tmp_path / "j.tif").astype(int) - RGB).mean() < 5


@pytest.mark.parametrize(
    ("samples", "how", "words"),
    [
        (RGB.astype(np.float32), {"photometric": "rgb"}, "32 bits of float32"),
        (RGB.astype(np.uint32), {"photometric": "rgb"}, "32 bits of uint32"),
        (np.dstack([RGB, RGB]), {"photometric": "minisblack", "planarconfig": "contig"}, "fluor"),
        (RGB, {"photometric": "cielab"}, "CIELAB"),
    ],
)
def test_what_is_no_picture_is_refused_in_words(
    tmp_path: Path, samples: NDArray[Any], how: dict[str, Any], words: str
) -> None:
    path = write(tmp_path / "a.tif", samples, **how)
    with pytest.raises(HistotileError, match=words):
        Slide.open(path)
    assert examine(path, "a", SETTINGS).problem == "unreadable"


def ome(path: Path, samples: NDArray[Any], axes: str, names: list[str] | None, **how: Any) -> Path:
    said: dict[str, Any] = {"axes": axes, "PhysicalSizeX": 0.25, "PhysicalSizeY": 0.25}
    said |= {"Channel": {"Name": names}} if names else {}
    tifffile.imwrite(path, samples, ome=True, metadata=said, compression="lzw", **how)
    return path


PLANES = np.moveaxis(RGB, -1, 0)


@pytest.mark.parametrize("how", [{"tile": (64, 64)}, {"rowsperstrip": 20}])
def test_grey_pages_of_red_green_and_blue_are_one_picture(
    tmp_path: Path, how: dict[str, Any]
) -> None:
    """OpenSlide shows the red one."""
    stack = np.stack([PLANES, PLANES // 2])  # of two focal planes
    for samples, axes, name in ((PLANES, "CYX", "a"), (stack, "ZCYX", "b")):
        path = tmp_path / f"{name}.ome.tif"
        ome(path, samples, axes, ["Red", "Green", "Blue"], photometric="minisblack", **how)
        assert alike(shown(path), RGB, 0)
        found = examine(path, "a", SETTINGS)
        assert (found.verdict, found.mpp, found.mpp_source) == ("ok", 0.25, "OME-XML")
        assert "three grey pages" in found.reader_note or "strips" in found.reader_note


def test_planes_are_found_however_they_are_ordered(tmp_path: Path) -> None:
    stack = np.stack([PLANES, PLANES // 2], axis=1)  # channels first: a plane apart
    path = tmp_path / "a.ome.tif"
    ome(path, stack, "CZYX", ["R", "G", "B"], photometric="minisblack")
    assert alike(shown(path), RGB, 0)


@pytest.mark.parametrize("names", [["DAPI", "FITC", "Cy3"], None])
def test_channels_of_fluorescence_are_set_aside(tmp_path: Path, names: list[str] | None) -> None:
    path = ome(tmp_path / "a.ome.tif", PLANES, "CYX", names, photometric="minisblack")
    found = examine(path, "a", SETTINGS)
    assert (found.verdict, found.problem) == ("quarantined", "colour")
    assert "grey pages" in str(found.reason)


def test_the_first_focal_plane_is_read_and_a_remark_says_so(tmp_path: Path) -> None:
    stack = np.stack([RGB, RGB // 2, RGB // 3])
    path = ome(tmp_path / "a.ome.tif", stack, "ZYXS", None, photometric="rgb")
    assert alike(shown(path), RGB, 0)
    found = examine(path, "a", SETTINGS)
    assert found.verdict == "ok"
    assert any("the first of 3 pictures" in warning for warning in found.warnings)


def levels_of(path: Path) -> tuple[Inspection, list[tuple[float, float]]]:
    found = examine(path, "a", SETTINGS, 0.5)
    return found, [(level["width"], level["downsample"]) for level in found.levels]


def test_levels_are_proportionate_pages_and_held_against_level_0(tmp_path: Path) -> None:
    big = np.asarray(Image.fromarray(RGB).resize((1024, 768)))
    half = np.asarray(Image.fromarray(big).resize((512, 384), Image.Resampling.BOX))
    label = np.zeros((90, 300, 3), np.uint8)
    other = np.ascontiguousarray(half[::-1, ::-1])
    for name, level in (("right", half), ("wrong", other)):
        with tifffile.TiffWriter(tmp_path / f"{name}.tif") as tiff:
            for page in (big, label, level):
                tiff.write(page, photometric="rgb", compression="lzw", rowsperstrip=64)
    found, levels = levels_of(tmp_path / "right.tif")
    assert (found.verdict, levels, found.left_out) == ("ok", [(1024, 1), (512, 2)], {})
    found, levels = levels_of(tmp_path / "wrong.tif")
    assert levels == [(1024, 1), (512, 2)]
    assert "another picture" in found.left_out["1"]


def test_an_orientation_is_told_and_px_are_read_as_stored(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", RGB, photometric="rgb", extratags=[(274, "H", 1, 6, True)])
    found = examine(path, "a", SETTINGS)
    assert (found.verdict, found.width) == ("ok", 256)
    assert any("orientation 6" in warning for warning in found.warnings)


def test_a_file_cut_short_or_without_its_strips_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", RGB, photometric="rgb")
    whole = path.read_bytes()
    with tifffile.TiffFile(path) as tiff:
        tag = tiff.pages.first.tags["StripOffsets"]
        end = max(tiff.pages.first.dataoffsets)
    (tmp_path / "cut.tif").write_bytes(whole[: end + 5])
    with pytest.raises(HistotileError, match="cut short"):
        Slide.open(tmp_path / "cut.tif")
    few = bytearray(whole)
    few[tag.offset + 4 : tag.offset + 8] = (2).to_bytes(4, "little")
    (tmp_path / "few.tif").write_bytes(few)
    found = examine(tmp_path / "few.tif", "a", SETTINGS)
    assert found.problem == "unreadable"
    assert "remedy" in str(found.reason)
