"""Laboratories: how a site stains and scans, with effects of known size."""

from dataclasses import dataclass

import numpy as np

from histotile.synthetic.slides.arrays import Doubles
from histotile.synthetic.slides.chromogen import DAB
from histotile.synthetic.slides.colouring import Stain


@dataclass(frozen=True)
class Site:
    """Changes of a laboratory against the reference.

    `turn` is added to the two stain vectors (haematoxylin, eosin; natural logarithm), the
    strengths multiply concentrations, `white` is the grey of empty glass.
    """

    turn: tuple[tuple[float, float, float], tuple[float, float, float]] = ((0, 0, 0), (0, 0, 0))
    haematoxylin: float = 1.0
    eosin: float = 1.0
    white: tuple[float, float, float] = (244.0, 244.0, 244.0)


def make_site(seed: int, number: int, effect: float) -> Site:
    """Site number `number` of a cohort; `effect` 0 gives the reference laboratory, 1 usual ones.

    Ranges: vectors +-0.03, haematoxylin 0.8-1.2, eosin 0.75-1.15, glass 238-250.
    """
    rng = np.random.default_rng([seed, 11, number])
    turn = effect * rng.uniform(-0.03, 0.03, (2, 3))
    h, e = 1 + effect * rng.uniform(-0.2, 0.2), 1 + effect * rng.uniform(-0.25, 0.15)
    white = 244 + np.clip(effect, 0, 1.5) * (rng.uniform(-5, 5) + rng.uniform(-1.5, 1.5, 3))
    return Site(_pair(turn), float(max(h, 0.3)), float(max(e, 0.3)), _triple(white))


def make_stain(
    site: Site, haematoxylin: float = 1.0, eosin: float = 1.0, shift: float = 0.0
) -> Stain:
    """Absorption of the Macenko reference stains, as changed by a site and by a slide.

    With `shift` haematoxylin weakens to a counterstain, and eosin gives way to a faint brown.
    """
    reference = np.array([[0.5626, 0.7201, 0.4062], [0.2159, 0.8012, 0.5581]])
    reference[1] = (1 - shift) * reference[1] + shift * np.array(DAB)
    haematoxylin, eosin = haematoxylin * (1 - 0.55 * shift), eosin * (1 - 0.85 * shift)
    vectors = np.maximum(reference + np.array(site.turn), 0.02)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    h, e = vectors[0] * site.haematoxylin * haematoxylin, vectors[1] * site.eosin * eosin
    return Stain(_triple(1.25 * h), _triple(e), site.white)


def _triple(values: Doubles) -> tuple[float, float, float]:
    return float(values[0]), float(values[1]), float(values[2])


def _pair(values: Doubles) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    return _triple(values[0]), _triple(values[1])
