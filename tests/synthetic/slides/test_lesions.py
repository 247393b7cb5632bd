import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from histotile.synthetic.slides.lesions import (
    Scenario,
    focus_radii,
    make_foci,
    make_pieces,
    outline,
)


@settings(max_examples=60)
@given(st.integers(0, 10_000))
def test_scenarios_have_the_foci_of_the_lecture(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b, c = (focus_radii(rng, scenario) for scenario in ("A", "B", "C"))
    assert 1 <= sum(0.11 <= r <= 0.17 for r in a) <= 2 and len(a) <= 4
    assert all(0.11 <= r <= 0.17 or 0.045 <= r <= 0.07 for r in a)
    assert 4 <= sum(0.045 <= r <= 0.07 for r in b) <= 8 and len(b) <= 11
    assert 20 <= len(c) <= 48 and max(c) <= 0.028 and min(c) >= 0.008
    assert focus_radii(rng, "Z") == []


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["A", "B", "C"]))
def test_foci_keep_apart_and_lie_in_tissue(seed: int, scenario: Scenario) -> None:
    rng = np.random.default_rng(seed)
    pieces = make_pieces(rng, 4096, 4096, 0.55)
    foci = make_foci(rng, focus_radii(rng, scenario), pieces, 4096)
    assert len(foci) > 0
    cx, cy, rx, ry = pieces[0]
    for k, (x, y, r) in enumerate(foci[:, :3]):
        assert math.hypot((x - cx) / rx, (y - cy) / ry) <= 1.03
        others = np.delete(foci, k, axis=0)
        assert (np.hypot(others[:, 0] - x, others[:, 1] - y) > r + others[:, 2]).all()


@pytest.mark.parametrize("share", [0.55, 0.2, 0.001])
def test_pieces_cover_the_share_asked_for_inside_the_slide(share: float) -> None:
    pieces = make_pieces(np.random.default_rng(1), 100_000, 80_000, share)
    area = math.pi * (pieces[:, 2] * pieces[:, 3]).sum()
    assert area == pytest.approx(share * 8e9, rel=0.1)
    assert (pieces[:, 0] - pieces[:, 2] >= 0).all()
    assert (pieces[:, 0] + pieces[:, 2] <= 100_000).all()


def test_outline_without_wobble_is_a_circle() -> None:
    points = outline(np.array([100.0, 50.0, 10.0] + 8 * [0.0]))
    np.testing.assert_allclose(np.hypot(points[:, 0] - 100, points[:, 1] - 50), 10)
