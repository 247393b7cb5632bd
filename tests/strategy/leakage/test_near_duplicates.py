from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from histotile.data.perceptual_hash import thumbnails
from histotile.strategy.leakage import near_duplicates
from histotile.strategy.leakage.copied_tiles import PicturedSlide, SlidePair
from histotile.strategy.leakage.near_duplicates import Duplicates, find_duplicates

Rgb = NDArray[np.uint8]
LEAST = 0.85


@cache
def tissue(seed: int, tiles: int, px: int = 96) -> Rgb:
    """Blobs of several sizes, so that a tile has structure at every scale."""
    rng = np.random.default_rng(seed)
    found = np.zeros((tiles, px, px, 3), np.float32)
    for sigma in (2.0, 4.0, 9.0):
        noise = rng.standard_normal(found.shape).astype(np.float32)
        layer = np.stack([cv2.GaussianBlur(t, (0, 0), sigma) for t in noise])
        found += layer / layer.std()
    return np.clip(128 + 30 * found, 0, 255).astype(np.uint8)


def slide(name: str, patient: str, tiles: Rgb) -> PicturedSlide:
    small = thumbnails(tiles)
    return PicturedSlide(name, patient, len(small), lambda: small)


def cohort(slides: int = 6, tiles: int = 30) -> list[PicturedSlide]:
    return [slide(f"slide_{k}", f"patient_{k}", tissue(k, tiles)) for k in range(slides)]


def turned(tiles: Rgb, degrees: float, zoom: float = 1.3) -> Rgb:
    """Turned about the middle, a part of it enlarged, mirrored and in other colours."""
    matrix = cv2.getRotationMatrix2D((47.5, 47.5), degrees, zoom)
    moved = [cv2.warpAffine(t, matrix, (96, 96), borderMode=cv2.BORDER_REFLECT) for t in tiles]
    pale = 60 + 0.6 * np.stack(moved)[:, :, ::-1].astype(np.float32)
    return pale.astype(np.uint8)


def test_a_clean_cohort_has_none() -> None:
    found = find_duplicates(cohort(), LEAST, 0)
    assert (found.tiles, found.searched, found.share, found.pairs) == (180, 180, 0, ())
    assert found.duplicated == found.origins == 0


@pytest.mark.parametrize("orientation", range(8))
def test_a_slide_copied_in_any_orientation_is_named_as_whole(orientation: int) -> None:
    slides, tiles = cohort(), tissue(3, 30)
    tiles = tiles.swapaxes(1, 2) if orientation & 4 else tiles
    tiles = tiles[:, ::-1] if orientation & 1 else tiles
    tiles = tiles[:, :, ::-1] if orientation & 2 else tiles
    noise = np.random.default_rng(0).integers(-4, 5, tiles.shape)
    copy = np.clip(tiles + noise, 0, 255).astype(np.uint8)
    found = find_duplicates([*slides, slide("copy", "patient_x", copy)], LEAST, 0)
    (pair,) = found.pairs
    assert pair == SlidePair("slide_3", "copy", ("patient_3", "patient_x"), 30, 1.0)
    assert pair.whole and found.origins == 30 and found.duplicated == 60
    assert found.sources["slide_3"].tolist() == found.sources["copy"].tolist()
    assert (found.sources["slide_2"] == -1).all()


@pytest.mark.parametrize("degrees", [0, 17, 74, 200])
def test_copies_turned_by_any_angle_cropped_mirrored_and_recoloured_are_found(
    degrees: float,
) -> None:
    copies = turned(tissue(2, 30)[:10], degrees)
    mixed = np.concatenate([copies, tissue(9, 20)])
    found = find_duplicates([*cohort(), slide("other", "patient_x", mixed)], LEAST, 0)
    (pair,) = found.pairs
    assert (pair.first, pair.second) == ("slide_2", "other") and pair.tiles >= 9
    assert (found.sources["other"][10:] == -1).all()
    sure = found.sources["other"][:10] >= 0
    assert np.array_equal(found.sources["slide_2"][:10][sure], found.sources["other"][:10][sure])
    assert found.share == found.duplicated / 210


def test_copies_of_copies_have_one_source() -> None:
    tiles = tissue(0, 12)
    slides = [
        slide("a", "a", tiles),
        slide("b", "b", turned(tiles, 30)),
        slide("c", "c", tiles[:, ::-1]),
        *cohort()[1:],
    ]
    found = find_duplicates(slides, LEAST, 0)
    assert found.origins == 12
    for name in "bc":
        assert np.array_equal(found.sources["a"], found.sources[name])


def test_slides_of_one_patient_may_share_tiles() -> None:
    again = slide("again", "patient_3", tissue(3, 30))
    assert not find_duplicates([*cohort(), again], LEAST, 0).pairs


def test_glass_and_single_edges_do_not_count() -> None:
    rng = np.random.default_rng(0)
    slides = []
    for k in range(4):
        tiles = 240 + rng.integers(0, 3, (30, 96, 96, 3), np.uint8)
        for tile, row in zip(tiles, rng.integers(20, 70, 30), strict=True):
            tile[row if k < 2 else 96 :] -= 150
        slides.append(slide(f"smooth_{k}", f"patient of {k}", tiles))
    assert not find_duplicates([*cohort(), *slides], LEAST, 0).pairs


def test_slides_without_tiles_and_empty_cohorts_are_fine() -> None:
    nothing = slide("empty", "nobody", np.zeros((0, 96, 96, 3), np.uint8))
    assert find_duplicates([], LEAST, 0) == Duplicates(0, 0, 0.0, (), {})
    assert not find_duplicates([nothing], LEAST, 0).pairs
    copy = slide("copy", "patient_x", tissue(0, 30))
    found = find_duplicates([*cohort(3), nothing, copy], LEAST, 0)
    assert found.pairs[0].whole and found.sources["empty"].shape == (0,)


def test_a_sample_rings_and_then_all_tiles_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_duplicates, "SAMPLE", 60)
    slides = cohort()
    assert find_duplicates(slides, LEAST, 0).searched == 60
    copies = [slide(f"copy_{k}", f"x{k}", turned(tissue(k, 30), 40)) for k in range(6)]
    found = find_duplicates([*slides, *copies], LEAST, 0)
    assert found.searched == found.tiles == 360 and found.share > 0.9
    monkeypatch.setattr(near_duplicates, "MOST_TILES", 300)
    part = find_duplicates([*slides, *copies], LEAST, 0)
    assert part.searched == 300 and part.duplicated < found.duplicated


def tissue_tiles(path: Path, side: int) -> Rgb:
    import openslide

    with openslide.OpenSlide(path) as opened:
        width, height = opened.dimensions
        image = np.asarray(opened.read_region((0, 0), 0, (width, height)).convert("RGB"))
    tiles = [
        image[y : y + side, x : x + side]
        for y in range(0, height - side + 1, side)
        for x in range(0, width - side + 1, side)
    ]
    return np.stack([tile for tile in tiles if tile.mean(axis=(0, 1)).min() < 215])


def test_a_real_slide_saved_anew_is_found(shared_data: Path) -> None:
    import imagecodecs

    first = tissue_tiles(shared_data / "slides" / "TCGA-CR-7395-01A-01-TS1.svs", 128)[::4]
    second = tissue_tiles(shared_data / "slides" / "CMU-1-Small-Region.svs", 128)
    encoded = [imagecodecs.jpeg8_encode(np.ascontiguousarray(t), level=70) for t in first]
    copy = np.stack([imagecodecs.jpeg8_decode(data) for data in encoded])
    slides = [slide("TCGA", "one", first), slide("CMU", "two", second)]
    assert not find_duplicates(slides, LEAST, 0).pairs
    (pair,) = find_duplicates([*slides, slide("copy", "three", copy)], LEAST, 0).pairs
    assert (pair.first, pair.second) == ("TCGA", "copy") and pair.share > 0.8
