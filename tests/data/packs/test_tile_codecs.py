"""Tiles as bytes: every pixel comes back where nothing may be lost."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from histotile.data.packs.tile_codecs import Codec, Rgb, decode, encode, is_whole
from histotile.slides.slide import Slide
from histotile.slides.tile_reader import read_tile

SIDES = st.integers(1, 40)
TILES = SIDES.flatmap(lambda side: hnp.arrays(np.uint8, (side, side, 3)))


def textured(side: int = 96) -> Rgb:
    """A smooth picture in which every channel has something of its own."""
    y, x = np.mgrid[:side, :side] / side
    waves = np.stack([np.sin(9 * x), np.cos(7 * y), np.sin(5 * (x + y))], axis=-1)
    picture: Rgb = np.rint(127 + 100 * waves).astype(np.uint8)
    return picture


@settings(max_examples=60, deadline=None)
@given(TILES)
def test_planes_keep_every_pixel(rgb: Rgb) -> None:
    before = rgb.copy()
    codec, data = encode(rgb, 0)
    assert codec is Codec.PLANES
    np.testing.assert_array_equal(rgb, before)
    np.testing.assert_array_equal(decode(codec, data, len(rgb)), before)


def test_planes_of_a_view_that_is_not_contiguous() -> None:
    whole = np.random.default_rng(0).integers(0, 256, (50, 80, 3), np.uint8)
    view = whole[5:45, 10:50][:, ::-1]
    before = view.copy()
    np.testing.assert_array_equal(decode(*encode(view, 0), 40), before)
    np.testing.assert_array_equal(view, before)


def test_planes_of_real_tissue_are_smaller_than_its_pixels(shared_data: Path) -> None:
    with Slide.open(shared_data / "slides" / "CMU-1-Small-Region.svs") as slide:
        rgb = read_tile(slide, 700, 900, 0.7, 224)
    codec, data = encode(rgb, 0)
    np.testing.assert_array_equal(decode(codec, data, 224), rgb)
    assert len(data) < 0.65 * rgb.size


def test_better_quality_is_nearer_and_larger() -> None:
    rgb = textured()
    packed = [encode(rgb, quality) for quality in (30, 80, 100)]
    assert {codec for codec, _ in packed} == {Codec.JPEG}
    errors = [np.abs(decode(*p, 96).astype(int) - rgb).mean() for p in packed]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 1
    sizes = [len(data) for _, data in packed]
    assert sizes == sorted(sizes)


def test_jpegs_keep_colour_at_every_px() -> None:
    stripes = np.full((64, 64, 3), (200, 60, 120), np.uint8)
    stripes[:, ::2] = (60, 120, 200)
    found = decode(*encode(stripes, 100), 64)
    assert np.abs(found.astype(int) - stripes).max() < 12  # halved colour is out by 100


@pytest.mark.parametrize("quality", [0, 90])
@pytest.mark.parametrize("side", [95, 97])
def test_a_tile_of_another_side_is_refused(quality: int, side: int) -> None:
    codec, data = encode(textured(), quality)
    with pytest.raises(ValueError, match=r".+"):
        decode(codec, data, side)


@pytest.mark.parametrize("codec", [Codec.JPEG, Codec.PLANES])
def test_other_bytes_are_refused(codec: Codec) -> None:
    with pytest.raises(ValueError, match=r".+"):
        decode(codec, b"neither the one nor the other", 96)


@given(data=st.data(), side=st.sampled_from([60, 64]))
def test_damage_shows_at_an_eighth_of_the_size_as_at_full_size(
    data: st.DataObject, side: int
) -> None:
    jpeg = encode(textured(64), 90)[1]
    start = data.draw(st.integers(0, len(jpeg)))
    end = data.draw(st.integers(start, min(start + 40, len(jpeg))))
    damaged = jpeg[:start] + data.draw(st.binary(max_size=40)) + jpeg[end:]
    for given_data in (jpeg, damaged, jpeg[:start]):
        try:
            decode(Codec.JPEG, given_data, side)
        except ValueError:
            assert not is_whole(given_data, side)
        else:
            assert is_whole(given_data, side)
