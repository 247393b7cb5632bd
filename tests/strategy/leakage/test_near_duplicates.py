from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from histotile.strategy.leakage.near_duplicates import (
    MOST_BITS,
    Duplicates,
    HashedSlide,
    find_duplicates,
    near_pairs,
    telling_hashes,
)

COSINE = 0.6


def random_hashes(rng: np.random.Generator, count: int) -> NDArray[np.uint64]:
    return rng.integers(0, 2**64, count, dtype=np.uint64)


def slide(
    name: str, patient: str, hashes: NDArray[np.uint64], features: NDArray[np.floating]
) -> HashedSlide:
    return HashedSlide(name, patient, hashes, lambda: features.astype(np.float16))


def cohort(rng: np.random.Generator, slides: int = 8, tiles: int = 60) -> list[HashedSlide]:
    """Post-ReLU-like features: all positive, so that raw cosines are near 1."""
    weights = np.abs(rng.standard_normal((6, 40)))
    found = []
    for k in range(slides):
        features = 5 + np.abs(rng.standard_normal((tiles, 6)) @ weights)
        features += 0.2 * rng.standard_normal(features.shape)
        found.append(slide(f"slide_{k}", f"patient_{k}", random_hashes(rng, tiles), features))
    return found


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.lists(st.integers(0, 63), min_size=0, max_size=8))
def test_every_pair_within_reach_is_found_and_no_other(seed: int, flips: list[int]) -> None:
    rng = np.random.default_rng(seed)
    hashes = random_hashes(rng, 30)
    changed = hashes[7]
    for bit in flips:
        changed ^= np.uint64(1 << bit)
    hashes = np.append(hashes, changed)
    found = {tuple(sorted(p)) for a, b in near_pairs(hashes) for p in zip(a, b, strict=True)}
    distance = np.bitwise_count(hashes[:, None] ^ hashes)
    wanted = {(int(i), int(j)) for i, j in np.argwhere(distance <= MOST_BITS) if i < j}
    assert found == wanted


def test_portions_do_not_change_what_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    few = rng.integers(0, 2, (200, 64)).astype(np.uint8)
    few[:, 8:] = few[0, 8:]  # crowded buckets
    hashes = np.packbits(few, axis=1).view(">u8")[:, 0].astype(np.uint64)

    def pairs() -> set[tuple[int, int]]:
        return {(min(p), max(p)) for a, b in near_pairs(hashes) for p in zip(a, b, strict=True)}

    whole = pairs()
    monkeypatch.setattr("histotile.strategy.leakage.near_duplicates.CHUNK", 7)
    assert pairs() == whole and len(whole) > 1000


def test_a_clean_cohort_has_none_although_raw_features_look_alike() -> None:
    slides = cohort(np.random.default_rng(1))
    raw = np.concatenate([s.features() for s in slides]).astype(float)
    raw /= np.linalg.norm(raw, axis=1, keepdims=True)
    assert np.median(raw @ raw.T) > 0.9
    assert find_duplicates(slides, COSINE, 0) == Duplicates(480, 0, ())


def test_a_copied_slide_is_named_as_whole_and_one_tile_is_not() -> None:
    rng = np.random.default_rng(2)
    slides = cohort(rng)
    noisy = slides[3].features() + 0.02 * rng.standard_normal((60, 40))
    bits = np.uint64(1) << rng.integers(0, 64, 60).astype(np.uint64)
    slides.append(slide("copy", "patient_x", slides[3].dhash ^ bits, noisy))
    single = random_hashes(rng, 60)
    single[5] = slides[0].dhash[9]
    features = np.array(slides[1].features()[::-1])
    features[5] = slides[0].features()[9]
    slides.append(slide("other", "patient_y", single, features))
    found = find_duplicates(slides, COSINE, 0)
    whole, one = found.pairs
    assert (whole.first, whole.second, whole.patients) == (
        "slide_3",
        "copy",
        ("patient_3", "patient_x"),
    )
    assert whole.whole and whole.share > 0.95
    assert (one.first, one.second, one.tiles, one.whole) == ("slide_0", "other", 1, False)
    assert found.tiles == 600 and 2 * 58 + 2 <= found.duplicated <= 2 * 60 + 2
    assert found.share == found.duplicated / 600


def test_like_hashes_without_like_features_do_not_count() -> None:
    rng = np.random.default_rng(3)
    slides = cohort(rng)
    other = cohort(np.random.default_rng(4))[0]
    slides.append(slide("chance", "patient_x", slides[3].dhash, other.features()))
    assert find_duplicates(slides, COSINE, 0).share < 0.02


def test_slides_of_one_patient_may_share_tiles() -> None:
    slides = cohort(np.random.default_rng(5))
    again = slide("again", "patient_3", slides[3].dhash, slides[3].features())
    assert not find_duplicates([*slides, again], COSINE, 0).duplicated


def test_empty_and_smooth_tiles_do_not_count() -> None:
    slides = cohort(np.random.default_rng(6))
    blank = np.array([0, 2**64 - 1, 0x0101010101010101, 0b111], np.uint64).repeat(15)
    features = np.ones((60, 40))
    slides += [slide(f"glass_{k}", f"nobody_{k}", blank, features) for k in range(2)]
    assert not find_duplicates(slides, COSINE, 0).duplicated
    assert not telling_hashes(blank).any()
    common = np.full(100, 0x0F0F0F0F0F0F0F0F, np.uint64)
    assert not telling_hashes(common).any() and telling_hashes(common[:10]).all()


def test_slides_without_tiles_and_empty_cohorts_are_fine() -> None:
    nothing = slide("empty", "nobody", np.zeros(0, np.uint64), np.zeros((0, 40)))
    assert find_duplicates([], COSINE, 0) == Duplicates(0, 0, ())
    assert find_duplicates([nothing], COSINE, 0).share == 0
    slides = [*cohort(np.random.default_rng(7), 3), nothing]
    slides.append(slide("copy", "patient_x", slides[0].dhash, slides[0].features()))
    assert find_duplicates(slides, COSINE, 0).pairs[0].whole


def test_features_are_read_only_where_hashes_agree() -> None:
    def refuse() -> NDArray[np.float16]:
        raise AssertionError("read for nothing")

    rng = np.random.default_rng(8)
    slides = [HashedSlide(f"s{k}", f"p{k}", random_hashes(rng, 50), refuse) for k in range(4)]
    assert not find_duplicates(slides, COSINE, 0).duplicated


def tissue_tiles(path: Path, side: int) -> NDArray[np.uint8]:
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

    from histotile.backbones.build import build_network
    from histotile.config import Backbone
    from histotile.data.perceptual_hash import dhash
    from histotile.inference.engines.torch import TorchEngine

    backbone = Backbone(name="auto", weights="shipped:natural", domain="auto", options={})
    network, made = build_network(backbone, 0, 128)
    engine = TorchEngine(network, made.mean, made.std, threads=1)

    def hashed(name: str, tiles: NDArray[np.uint8]) -> HashedSlide:
        return slide(name, f"patient {name}", dhash(tiles), engine(tiles))

    first = tissue_tiles(shared_data / "slides" / "TCGA-CR-7395-01A-01-TS1.svs", 128)[::4]
    second = tissue_tiles(shared_data / "slides" / "CMU-1-Small-Region.svs", 128)
    encoded = [imagecodecs.jpeg8_encode(np.ascontiguousarray(t), level=70) for t in first]
    copy = np.stack([imagecodecs.jpeg8_decode(data) for data in encoded])
    slides = [hashed("TCGA", first), hashed("CMU", second)]
    assert not find_duplicates(slides, COSINE, 0).duplicated
    (pair,) = find_duplicates([*slides, hashed("copy", copy)], COSINE, 0).pairs
    assert (pair.first, pair.second) == ("TCGA", "copy") and pair.share > 0.8
