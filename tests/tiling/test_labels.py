"""Labels of tiles: exact overlaps, the two limits, and contradictions named."""

import time
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from histotile.config import Labels
from histotile.errors import HistotileError
from histotile.slides.annotations.read import Annotation
from histotile.tasks.registry import make_task
from histotile.tiling.area_labels import MISSED
from histotile.tiling.labels import label_tiles
from histotile.tiling.overlaps import overlap_shares
from histotile.tiling.truth import SlideTruth, TileLabels

CLASSES = ("healthy", "tumour", "necrosis")


def rule(source: str = "annotation", outside: str | None = "healthy") -> Labels:
    return Labels.model_validate(
        {
            "source": source,
            "names": {"Tumor": "tumour"},
            "outside": outside,
            "positive_overlap": 0.5,
            "negative_overlap": 0.02,
        }
    )


def truth(label: str | None, *outlines: Annotation, file: bool = True) -> SlideTruth:
    return SlideTruth("s1", make_task(CLASSES), label, outlines if file else None)


def told(found: TileLabels) -> tuple[list[str | None], np.ndarray]:
    return found.labels, found.overlap


def row_of_tiles(n: int, size: int = 100) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(n, dtype=np.int32) * size, np.zeros(n, np.int32)


def test_limits_of_the_overlap_rule() -> None:
    shares = (0.0, 0.02, 0.021, 0.499, 0.5, 1.0)
    x, y = row_of_tiles(len(shares))
    outlines = [
        Annotation("tumour", shapely.box(left, 0, left + 100 * share, 100))
        for left, share in zip(x.tolist(), shares, strict=True)
        if share
    ]
    labels, overlap = told(label_tiles(x, y, 100, truth("tumour", *outlines), rule()))
    assert labels == ["healthy", "healthy", None, None, "tumour", "tumour"]
    np.testing.assert_allclose(overlap, shares, atol=1e-6)


def test_without_an_outside_class_the_rest_has_no_label() -> None:
    x, y = row_of_tiles(2)
    outline = Annotation("tumour", shapely.box(0, 0, 100, 100))
    labels, _ = told(label_tiles(x, y, 100, truth("tumour", outline), rule(outside=None)))
    assert labels == ["tumour", None]


def test_overlapping_outlines_of_a_class_count_once() -> None:
    x, y = row_of_tiles(1)
    twice = [Annotation("tumour", shapely.box(0, 0, 40, 100))] * 2
    labels, overlap = told(label_tiles(x, y, 100, truth("tumour", *twice), rule()))
    assert labels == [None]
    assert overlap[0] == pytest.approx(0.4)


def test_largest_overlap_wins() -> None:
    x, y = row_of_tiles(1)
    both = [
        Annotation("tumour", shapely.box(0, 0, 40, 100)),
        Annotation("necrosis", shapely.box(40, 0, 100, 100)),
    ]
    assert label_tiles(x, y, 100, truth("tumour", *both), rule()).labels == ["necrosis"]


def test_outline_around_all_tissue_cannot_hide_the_lesion() -> None:
    x, y = row_of_tiles(3)
    both = [
        Annotation("healthy", shapely.box(0, 0, 300, 100)),
        Annotation("tumour", shapely.box(100, 0, 230, 100)),
    ]
    labels, _ = told(label_tiles(x, y, 100, truth("tumour", *both), rule()))
    assert labels == ["healthy", "tumour", None]


@pytest.mark.parametrize("name", [" TUMOR", "Tumo\u200br", "tumour ", "Тumour", "ＴＵＭＯＲ"])
def test_names_that_look_the_same_are_the_same(name: str) -> None:
    x, y = row_of_tiles(1)
    known = truth("tumour", Annotation(name, shapely.box(0, 0, 100, 100)))
    assert label_tiles(x, y, 100, known, rule()).labels == ["tumour"]


def test_hole_is_outside() -> None:
    x, y = row_of_tiles(3)
    ring = shapely.box(0, 0, 300, 100) - shapely.box(100, 0, 200, 100)
    labels, _ = told(label_tiles(x, y, 100, truth("tumour", Annotation("tumour", ring)), rule()))
    assert labels == ["tumour", "healthy", "tumour"]


def test_self_crossing_outline_is_mended() -> None:
    x, y = row_of_tiles(1)
    bow = shapely.Polygon([(0, 0), (100, 100), (100, 0), (0, 100)])
    labels, overlap = told(
        label_tiles(x, y, 100, truth("tumour", Annotation("tumour", bow)), rule())
    )
    assert labels == ["tumour"]
    assert overlap[0] == pytest.approx(0.5)


def test_weak_labels_are_inherited_and_say_nothing_of_overlap() -> None:
    x, y = row_of_tiles(2)
    labels, overlap = told(label_tiles(x, y, 100, truth("tumour", file=False), rule("slide")))
    assert labels == ["tumour", "tumour"]
    assert np.isnan(overlap).all()
    assert label_tiles(x, y, 100, truth(None, file=False), rule("slide")).labels == [None, None]


@pytest.mark.parametrize(
    ("label", "expected"), [("healthy", "healthy"), ("tumour", None), (None, None)]
)
def test_slide_without_outlines_gives_labels_only_if_outside(
    label: str | None, expected: str | None
) -> None:
    x, y = row_of_tiles(2)
    labels, overlap = told(label_tiles(x, y, 100, truth(label, file=False), rule()))
    assert labels == [expected] * 2
    assert np.isnan(overlap).all()


def test_unlabelled_slide_without_outlines_stays_so_when_there_is_no_outside_class() -> None:
    x, y = row_of_tiles(1)
    assert label_tiles(x, y, 100, truth(None, file=False), rule(outside=None)).labels == [None]


def test_contradictions_name_both_sides() -> None:
    x, y = row_of_tiles(1)
    outline = Annotation("tumor", shapely.box(0, 0, 9, 9))
    with pytest.raises(HistotileError, match=r"'healthy'.*'tumour'"):
        label_tiles(x, y, 100, truth("healthy", outline), rule())
    with pytest.raises(HistotileError, match=r"'tumour'.*'Tumour 1'"):
        label_tiles(x, y, 100, truth("tumour", Annotation("Tumour 1", outline.polygon)), rule())
    for source in ("slide", "annotation"):
        with pytest.raises(HistotileError, match=r"'cyst' is not among classes"):
            label_tiles(x, y, 100, truth("cyst"), rule(source))


def blob(rng: np.random.Generator, vertices: int, radius: float) -> Any:
    angles = np.sort(rng.random(vertices)) * 2 * np.pi
    radii = radius * (0.6 + 0.4 * rng.random(vertices))
    points = np.stack([radii * np.cos(angles), radii * np.sin(angles)], 1) + radius
    return shapely.make_valid(shapely.Polygon(points))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), size=st.floats(5, 90), holes=st.booleans())
def test_shares_equal_one_intersection_per_tile(seed: int, size: float, holes: bool) -> None:
    rng = np.random.default_rng(seed)
    outline = blob(rng, 40, 150)
    if holes:
        outline = outline - shapely.affinity.translate(blob(rng, 12, 60), 80, 90)
    x, y = rng.integers(-50, 350, (2, 120)).astype(np.int32)
    squares = shapely.box(x, y, x + size, y + size)
    expected = shapely.area(shapely.intersection(outline, squares)) / size**2
    np.testing.assert_allclose(overlap_shares(outline, x, y, size), expected, atol=1e-5)


def test_many_tiles_and_long_outlines_are_quick() -> None:
    rng = np.random.default_rng(0)
    x, y = (a.ravel().astype(np.int32) for a in np.meshgrid(*[np.arange(200) * 224] * 2))
    turns = np.linspace(0, 2 * np.pi, 20_000, endpoint=False)
    radii = 20_000 + 2000 * np.sin(7 * turns) + 30 * rng.standard_normal(len(turns))
    rim = np.stack([radii * np.cos(turns), radii * np.sin(turns)], 1) + 22_400
    outline = shapely.make_valid(shapely.Polygon(rim))
    start = time.perf_counter()
    shares = overlap_shares(outline, x, y, 224)
    assert time.perf_counter() - start < 8
    assert shares.sum() * 224**2 == pytest.approx(outline.area, rel=1e-6)


def square(name: str, tile: int, layer: int, size: int = 100) -> Annotation:
    left = tile * size
    return Annotation(name, shapely.box(left, 0, left + size, size), layer)


def test_later_outlines_win_over_earlier_ones() -> None:
    x, y = row_of_tiles(6)
    drawn = [
        Annotation("tumour", shapely.box(100, 0, 600, 100)),
        square("healthy", 1, 1),
        square("necrosis", 2, 1),
        square("Tumor", 0, 1),
        square("tumour", 2, 2),
        square("no class", 4, 2),
        square("healthy", 5, 2),
    ]
    labels, overlap = told(label_tiles(x, y, 100, truth("tumour", *drawn[::-1]), rule()))
    assert labels == ["tumour", "healthy", "tumour", "tumour", None, "healthy"]
    np.testing.assert_allclose(overlap, [1, 0, 1, 1, 0, 0])
    without_outside, _ = told(label_tiles(x, y, 100, truth("tumour", *drawn), rule(outside=None)))
    assert without_outside == labels  # healthy squares are outlines of healthy tissue


@given(
    corrected=st.dictionaries(st.integers(0, 19), st.sampled_from(CLASSES), max_size=20),
    left=st.integers(0, 1500),
    width=st.integers(1, 1500),
)
def test_corrected_tiles_take_their_new_label_and_no_other_tile_changes(
    corrected: dict[int, str], left: int, width: int
) -> None:
    x, y = row_of_tiles(20)
    outline = Annotation("tumour", shapely.box(left, -50, left + width, 150))
    before, _ = told(label_tiles(x, y, 100, truth(None, outline), rule()))
    squares = [square(name, tile, 1) for tile, name in corrected.items()]
    after, _ = told(label_tiles(x, y, 100, truth(None, outline, *squares), rule()))
    assert after == [corrected.get(tile, label) for tile, label in enumerate(before)]


def test_corrections_may_not_contradict_the_label_of_the_slide() -> None:
    x, y = row_of_tiles(2)
    outline = Annotation("tumour", shapely.box(0, 0, 100, 100))
    with pytest.raises(HistotileError, match="no outline has that class"):
        label_tiles(x, y, 100, truth("tumour", outline, square("healthy", 0, 1)), rule())
    with pytest.raises(HistotileError, match="labelled 'healthy'"):
        label_tiles(x, y, 100, truth("healthy", square("tumour", 0, 1)), rule())


def test_outlines_beside_all_tiles_say_nothing_of_the_tiles() -> None:
    """Those of another slide, or in px of another level: nothing tells what is outside of them."""
    x, y = row_of_tiles(4)
    beside = Annotation("tumour", shapely.box(500, 500, 600, 600))
    for label in (None, "tumour"):
        found = label_tiles(x, y, 100, truth(label, beside), rule())
        assert found.labels == [None] * 4
        assert found.why_none == {MISSED: 4}
    touching = Annotation("tumour", shapely.box(0, 0, 10, 10))
    found = label_tiles(x, y, 100, truth(None, beside, touching), rule())
    assert found.labels == ["healthy"] * 4
    seen = Annotation("healthy", shapely.box(0, 0, 100, 100))
    assert label_tiles(x, y, 100, truth(None, beside, seen), rule()).labels == ["healthy"] * 4
