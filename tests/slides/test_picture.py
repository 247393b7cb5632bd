"""The same picture in another encoding, pyramid or format is known again; other tissue is not."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from histotile.config import Inspect
from histotile.config.yaml_file import read_config
from histotile.errors import HistotileError
from histotile.slides.inspection import Inspection, examine
from histotile.slides.picture import find_same, take_picture
from histotile.slides.slide import Slide
from histotile.slides.triage import triage

Rgb = NDArray[np.uint8]
WriteSlide = Callable[..., Path]


def tissue(seed: int, side: int = 1024, frame: int = 0) -> Rgb:
    """Glass with the same block of stained tissue each time, of other grain and nuclei."""
    rng = np.random.default_rng(seed)
    rgb = rng.normal((243, 242, 244), 1.5, (side, side, 3))
    inner = slice(side // 4, 3 * side // 4)
    rgb[inner, inner] = rng.normal((215, 130, 185), 12, (side // 2, side // 2, 3))
    for y, x in rng.integers(side // 4, 3 * side // 4 - 12, (side * side // 6000, 2)).tolist():
        rgb[y : y + 12, x : x + 12] = (95, 60, 140)
    if frame:
        rgb[:frame] = rgb[-frame:] = 0
    return np.clip(rgb, 0, 255).astype(np.uint8)


def write_jpeg(path: Path, rgb: Rgb, quality: int = 60) -> Path:
    tifffile.imwrite(
        path,
        rgb,
        tile=(256, 256),
        photometric="rgb",
        compression="jpeg",
        compressionargs={"level": quality},
    )
    return path


def picture(path: Path) -> str | None:
    with Slide.open(path) as slide:
        return take_picture(slide)


def differences(*paths: Path) -> list[tuple[int, int]]:
    pictures = [p for p in map(picture, paths) if p is not None]
    assert len(pictures) == len(paths)
    return [pair[:2] for pair in find_same(pictures, [1.0] * len(pictures))]


def test_other_encodings_are_the_same(tmp_path: Path, write_slide: WriteSlide) -> None:
    rgb = tissue(0)
    lossless = write_slide(tmp_path / "a.svs", rgb, (1, 4), aperio=True)
    poor = write_jpeg(tmp_path / "b.tif", rgb, 50)
    half = write_slide(tmp_path / "c.tif", rgb[::2, ::2] // 2 + rgb[1::2, 1::2] // 2)
    assert differences(lossless, poor, half) == [(0, 1), (0, 2), (1, 2)]


def test_other_tissue_is_not_however_alike_it_lies(tmp_path: Path, write_slide: WriteSlide) -> None:
    paths = [write_slide(tmp_path / f"{seed}.tif", tissue(seed), (1, 4)) for seed in range(4)]
    assert differences(*paths) == []


def test_black_frames_make_no_two_slides_the_same(tmp_path: Path, write_slide: WriteSlide) -> None:
    pale = [tissue(seed, frame=300) for seed in range(2)]
    pale = [np.where(p == 0, p, 255 - (255 - p) // 8).astype(np.uint8) for p in pale]
    paths = [write_slide(tmp_path / f"{n}.tif", p) for n, p in enumerate(pale)]
    assert differences(*paths) == []


def test_blank_glass_has_no_picture(tmp_path: Path, write_slide: WriteSlide) -> None:
    glass = np.random.default_rng(0).normal(243, 1.5, (512, 512, 3)).astype(np.uint8)
    assert picture(write_slide(tmp_path / "a.tif", glass)) is None


def test_proportions_part_what_looks_alike(tmp_path: Path, write_slide: WriteSlide) -> None:
    found = picture(write_slide(tmp_path / "a.tif", tissue(0)))
    assert found is not None
    assert find_same([found, found], [1.0, 1.5]) == []
    assert find_same([], []) == []


def test_a_slide_listed_in_two_formats_stops(
    tmp_path: Path, write_slide: WriteSlide, repository: Path
) -> None:
    settings: Inspect = read_config(repository / "config/config.yaml").inspect
    rgb = tissue(0)
    svs = write_slide(tmp_path / "A.svs", rgb, (1, 4), aperio=True)
    tif, other = write_jpeg(tmp_path / "B.tif", rgb), write_slide(tmp_path / "C.tif", tissue(1))
    found: list[Inspection] = [examine(p, p.stem, settings, 0.5) for p in (svs, tif, other)]
    with pytest.raises(HistotileError, match=r"\[duplicate-\w+\] A = B: .*the same picture") as e:
        triage(found, settings)
    again = [found[1], found[2], found[0]]  # another order of rows: the same id
    (finding,) = {w.strip("[]") for w in str(e.value).split() if w.startswith("[duplicate")}
    rows = {row["slide_id"]: row for row in triage(again, settings, {finding: "two sections"})}
    assert "accepted by the user: two sections" in str(rows["A"]["warnings"])
    assert rows["C"]["warnings"] is None


def test_real_slides_are_told_apart(shared_data: Path) -> None:
    names = ("CMU-1-Small-Region.svs", "CMU-1-Small-Region-wrong-mpp.tiff", "slaid_patch.tif")
    more = ("TCGA-CR-7395-01A-01-TS1.svs", "camelyon16-lowres.dcm", "osp_boxes.tiff")
    paths = [shared_data / "slides" / name for name in (*names, *more)]
    assert differences(*paths) == [(0, 1)]  # one slide in two formats


def test_a_slide_turned_or_mirrored_is_the_same(tmp_path: Path) -> None:
    rgb = tissue(0)[:, :768]
    ways = [rgb, np.rot90(rgb), rgb[::-1], rgb[:, ::-1], np.rot90(rgb[::-1]), np.rot90(rgb, 2)]
    paths = [write_jpeg(tmp_path / f"{n}.tif", np.ascontiguousarray(w)) for n, w in enumerate(ways)]
    paths.append(write_jpeg(tmp_path / "other.tif", tissue(1)[:, :768]))
    pictures = [found for path in paths if (found := picture(path))]
    proportions = [w.shape[1] / w.shape[0] for w in [*ways, rgb]]
    pairs = {pair[:2] for pair in find_same(pictures, proportions)}
    assert pairs == {(a, b) for a in range(6) for b in range(a + 1, 6)}
