"""Slides without the colours of stained tissue are named, and no others."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from histotile.config import Inspect
from histotile.config.yaml_file import read_config
from histotile.slides.colour_check import false_colours
from histotile.slides.inspection import Inspection, examine
from histotile.slides.tissue.grey import is_grey
from histotile.slides.tissue.tissue import find_tissue

Rgb = NDArray[np.uint8]
SETTINGS = Inspect(
    unknown_mpp="stop", mpp_min=0.05, mpp_max=20, max_anisotropy=0.05, trust_objective_power=True
)
STAINS = {"H": (0.65, 0.70, 0.29), "E": (0.07, 0.99, 0.11), "DAB": (0.27, 0.57, 0.78)}
BLUE, RED = (0.8, 0.58, 0.1), (0.2, 0.95, 0.6)


def stained(first: tuple[float, ...], second: tuple[float, ...], glass: tuple[int, ...]) -> Rgb:
    """Two stains in the middle of a glass."""
    rng = np.random.default_rng(0)
    density = np.zeros((256, 256, 3))
    inner = density[64:192, 64:192]
    for stain, share in ((first, 0.4), (second, 0.9)):
        amount = rng.gamma(2, 0.25, inner.shape[:2]) * (rng.random(inner.shape[:2]) < share)
        inner += amount[..., None] * np.array(stain)
    noise = rng.normal(0, 1.5, density.shape)
    return np.clip(np.array(glass) * 10**-density + noise, 0, 255).astype(np.uint8)


def write(path: Path, rgb: NDArray[np.unsignedinteger], pages: int = 1, **how: Any) -> Path:
    options: dict[str, Any] = {"tile": (64, 64), "metadata": None, "compression": "deflate"}
    options |= {"photometric": "rgb" if rgb.ndim == 3 else "minisblack"} | how
    with tifffile.TiffWriter(path) as tiff:
        for _ in range(pages):
            tiff.write(rgb, resolution=(2e4, 2e4), resolutionunit="CENTIMETER", **options)
    return path


def found_in(path: Path) -> Inspection:
    return examine(path, "s", SETTINGS)


HE = stained(STAINS["H"], STAINS["E"], (243, 242, 244))


@pytest.mark.parametrize("glass", [(243, 242, 244), (235, 225, 190), (215, 190, 140)])
@pytest.mark.parametrize(
    "stains", [(STAINS["H"], STAINS["E"]), (STAINS["H"], STAINS["DAB"]), (BLUE, RED)]
)
def test_true_colours_on_any_glass_raise_no_alarm(
    stains: tuple[tuple[float, ...], tuple[float, ...]], glass: tuple[int, ...]
) -> None:
    pixels = stained(*stains, glass).reshape(-1, 3)
    assert false_colours(pixels) == ""
    assert not is_grey(pixels)


def test_luminance_and_differences_shown_as_rgb_are_false_colours(tmp_path: Path) -> None:
    wrong = np.asarray(Image.fromarray(HE).convert("YCbCr"))
    found = found_in(write(tmp_path / "s.tif", wrong))
    assert (found.verdict, found.problem) == ("quarantined", "colour")
    assert "YCbCr" in str(found.reason)
    assert found.mpp == pytest.approx(0.5)
    assert "remedy" in str(found.reason)


def test_rgb_read_as_luminance_and_differences_is_false_colours() -> None:
    channels = Image.merge("YCbCr", Image.fromarray(HE).split())
    assert false_colours(np.asarray(channels.convert("RGB")).reshape(-1, 3))


def test_false_colours_of_a_real_series(shared_data: Path) -> None:
    folder = shared_data / "slides"
    found = found_in(folder / "cmu1_small_region_dicom" / "level-0-frames-0-30.dcm")
    assert found.problem == "colour"
    for name in ("CMU-1-Small-Region.svs", "TCGA-CR-7395-01A-01-TS1.svs"):
        assert found_in(folder / name).problem in {None, "mpp"}


def test_a_grey_slide_is_named_and_its_tissue_found(tmp_path: Path) -> None:
    grey = np.asarray(Image.fromarray(HE).convert("L"))
    for name, pixels in (("one", grey), ("three", np.repeat(grey[..., None], 3, axis=2))):
        found = found_in(write(tmp_path / f"{name}.tif", pixels))
        assert found.verdict == "ok"
        assert any("grey" in warning for warning in found.warnings)
    mask = read_config(Path("config/config.yaml")).mask
    tissue = find_tissue(np.repeat(grey[..., None], 3, axis=2), 8.0, mask)
    assert tissue[80:176, 80:176].mean() > 0.97
    assert tissue[:48].mean() == tissue[208:].mean() == 0


@pytest.mark.parametrize("pages", [2, 3, 7])
def test_channels_in_pages_are_set_aside_with_a_remedy(tmp_path: Path, pages: int) -> None:
    found = found_in(write(tmp_path / "s.tif", HE[..., 0], pages))
    assert found.problem == "colour"
    assert "grey pages" in str(found.reason)
    assert ("bandjoin" in str(found.reason)) == (pages == 3)
    name = str(found.reason)[1 : str(found.reason).index("]")]
    accepted = examine(tmp_path / "s.tif", "s", SETTINGS, None, {name: "a focal stack"})
    assert accepted.verdict == "ok"


@pytest.mark.parametrize("scale", [257, 16])
def test_sixteen_bits_are_no_false_colours(tmp_path: Path, scale: int) -> None:
    found = found_in(write(tmp_path / "s.tif", HE.astype(np.uint16) * np.uint16(scale)))
    assert found.verdict == "ok"
    assert bool(found.warnings) == (scale == 16)  # nearly black


@pytest.mark.parametrize("tag", range(1, 9))
def test_a_turned_slide_is_told_and_one_with_scrambled_tiles_set_aside(
    tmp_path: Path, tag: int
) -> None:
    turned = [(274, "H", 1, tag, True)]
    wide = HE[:, :192]
    as_stored = found_in(write(tmp_path / "j.tif", wide, compression="jpeg", extratags=turned))
    assert as_stored.verdict == "ok"
    told = [w for w in as_stored.warnings if f"orientation {tag}" in w]
    assert len(told) == (tag > 1)
    assert all("192 x 256" in w and (("256 x 192" in w) == (tag > 4)) for w in told)
    scrambled = found_in(write(tmp_path / "d.tif", wide, extratags=turned))
    assert scrambled.problem == (None if tag in {1, 5} else "orientation")
