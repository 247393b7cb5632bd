"""Where tiles lie: distances near 1 inside, and large in what training never varied."""

import json
from collections.abc import Callable

import numpy as np

from histotile.trust.cloud import Cloud, fit_cloud
from histotile.trust.fitting import Sample

Make = Callable[..., Sample]


def test_tiles_of_the_cloud_lie_about_one_standard_deviation_out(make_sample: Make) -> None:
    sample = make_sample(40)
    cloud = fit_cloud(sample.features, sample.slides)
    found = cloud.distance(cloud.coordinates(make_sample(40, seed=1).features))
    assert 0.8 < np.median(found) < 1.2


def test_means_over_more_tiles_count_more(make_sample: Make) -> None:
    sample = make_sample(40)
    cloud = fit_cloud(sample.features, sample.slides)
    moved = cloud.mean[None] + 1.0
    one, many = cloud.distance(moved, 1)[0], cloud.distance(moved, 1000)[0]
    assert many > 1.3 * one


def test_what_never_varied_in_training_is_noticed(make_sample: Make) -> None:
    """A direction outside those of most variance: the rest of the tile tells."""
    sample = make_sample(20)
    flat = np.column_stack([sample.features, np.full(len(sample.slides), 3.0)])
    cloud = fit_cloud(flat, sample.slides)
    usual = cloud.distance(cloud.coordinates(flat))
    odd = flat.copy()
    odd[:, -1] = 9.0
    assert cloud.distance(cloud.coordinates(odd)).min() > usual.max()


def test_units_forgive_what_laboratories_differ_by_anyway() -> None:
    rng = np.random.default_rng(0)
    slides = np.repeat(np.arange(10), 20)
    alike = 0.01 * rng.standard_normal((200, 3))
    strict, lenient = (fit_cloud(alike, slides, u) for u in (None, np.full(3, 0.1)))
    other = np.full((1, 3), 0.1)
    assert strict.distance(strict.coordinates(other), 100)[0] > 5
    assert lenient.distance(lenient.coordinates(other), 100)[0] < 1.5


def test_one_tile_per_slide_and_a_measure_that_never_varies_do_no_harm() -> None:
    rng = np.random.default_rng(0)
    measures = np.column_stack([rng.standard_normal(12), np.zeros(12)])
    cloud = fit_cloud(measures, np.arange(12))
    assert np.isfinite(cloud.distance(cloud.coordinates(measures))).all()


def test_json_gives_the_same_distances(make_sample: Make) -> None:
    sample = make_sample(10)
    cloud = fit_cloud(sample.features, sample.slides)
    again = Cloud.from_json(json.loads(json.dumps(cloud.to_json())))
    wanted = cloud.distance(cloud.coordinates(sample.features))
    np.testing.assert_allclose(
        again.distance(again.coordinates(sample.features)), wanted, rtol=0.02
    )


def test_a_large_network_takes_some_hundred_kilobytes() -> None:
    rng = np.random.default_rng(0)
    cloud = fit_cloud(rng.standard_normal((300, 2048)), np.repeat(np.arange(10), 30))
    assert len(json.dumps(cloud.to_json())) < 250_000
