import numpy as np

from histotile.synthetic.slides.stains import Site, make_site, make_stain


def test_effect_zero_is_the_reference_laboratory() -> None:
    assert make_stain(make_site(1, 2, 0.0)).haematoxylin == make_stain(Site()).haematoxylin


def test_usual_sites_stay_in_the_stated_ranges() -> None:
    sites = [make_site(seed, number, 1.0) for seed in range(50) for number in range(4)]
    assert all(0.8 <= s.haematoxylin <= 1.2 and 0.75 <= s.eosin <= 1.15 for s in sites)
    assert all(237 <= w <= 251 for s in sites for w in s.white)
    assert np.abs([s.turn for s in sites]).max() <= 0.03
    assert len({s.white for s in sites}) == len(sites)


def test_strength_multiplies_absorption() -> None:
    once, twice = make_stain(Site()), make_stain(Site(), haematoxylin=2.0)
    np.testing.assert_allclose(twice.haematoxylin, 2 * np.array(once.haematoxylin))
    assert twice.eosin == once.eosin
