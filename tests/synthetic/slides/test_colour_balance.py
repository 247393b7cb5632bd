"""In iso-colour mode colour tells nothing of a tumour, and the form of its nuclei everything."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import imagecodecs
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from histotile.config.yaml_file import read_synthetic
from histotile.synthetic.slides.organs import Mode
from histotile.synthetic.slides.plan import plan_cohort
from histotile.synthetic.slides.truth import lesion_outlines
from histotile.synthetic.slides.world import World

OVERVIEW = 16


@dataclass
class Tiles:
    """Labelled tiles: mean and SD of RGB (N, 6), widths of dark things
    (N, 8; only at 128 px), label, patient."""

    colour: np.ndarray
    form: np.ndarray
    label: np.ndarray
    patient: np.ndarray


@cache
def draw_tiles(mode: Mode, seed: int, side_px: int, sizes: tuple[int, ...]) -> dict[int, Tiles]:
    """The labelled tiles of a small cohort, as they come back from JPEG, by tile_px."""
    standard = read_synthetic(Path(__file__).parents[3] / "config" / "synthetic.yaml").synthesize
    changes = {"slides": 16, "patients": 16, "side_px": side_px, "mode": mode, "seed": seed}
    rows: dict[int, list[tuple[list[float], list[float], bool, str]]] = {n: [] for n in sizes}
    for slide in plan_cohort(standard.model_copy(update={**changes, "artefact_rate": 0.0})):
        world = World(slide.spec)
        rgb = _as_stored(world.region(0, 0, side_px, side_px), standard.jpeg_quality)
        lesion = np.zeros((side_px, side_px), np.uint8)
        for points in lesion_outlines(world):
            cv2.fillPoly(lesion, [points.astype(np.int32)], 1)
        nodes = world.tissue(0, 0, side_px // OVERVIEW, side_px // OVERVIEW, OVERVIEW) > 0
        tissue = cv2.resize(nodes.astype(np.uint8), (side_px, side_px), interpolation=0)
        for tile_px in sizes:
            for window in _windows(side_px, tile_px):
                overlap = lesion[window].mean()
                if tissue[window].mean() < 0.5 or 0.02 < overlap < 0.5:
                    continue
                tile = rgb[window]
                colour = np.concatenate(cv2.meanStdDev(tile)).ravel().tolist()
                form = _form(tile) if tile_px == 128 else []
                rows[tile_px].append((colour, form, overlap >= 0.5, slide.patient_id))
    return {n: Tiles(*(np.array(c) for c in zip(*rows[n], strict=True))) for n in sizes}


def auroc(measures: np.ndarray, tiles: Tiles) -> float:
    """Mean over patient-disjoint folds of a logistic model on these measures of the tiles."""
    folds = StratifiedGroupKFold(4, shuffle=True, random_state=0)
    scores = []
    for train, test in folds.split(measures, tiles.label, tiles.patient):
        model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced"))
        model.fit(measures[train], tiles.label[train])
        guess = model.decision_function(measures[test])
        scores.append(roc_auc_score(tiles.label[test], guess))
    return float(np.mean(scores))


@pytest.mark.parametrize("seeds", [(0,), pytest.param((0, 1, 2), marks=pytest.mark.slow)])
@pytest.mark.parametrize("tile_px", [96, 128, 224, 256])
def test_colour_tells_nothing_in_iso_colour_mode(tile_px: int, seeds: tuple[int, ...]) -> None:
    cohorts = [draw_tiles("iso_colour", seed, 2048, (96, 128, 224, 256)) for seed in seeds]
    assert sum(c[tile_px].label.sum() for c in cohorts) > 20 * len(seeds)
    assert np.mean([auroc(c[tile_px].colour, c[tile_px]) for c in cohorts]) < 0.65


def test_form_tells_what_colour_does_not() -> None:
    tiles = draw_tiles("iso_colour", 0, 2048, (96, 128, 224, 256))[128]
    assert auroc(tiles.form, tiles) > 0.85


def test_colour_solves_easy_mode() -> None:
    tiles = draw_tiles("easy", 1, 1536, (128,))[128]
    assert auroc(tiles.colour, tiles) > 0.85


def _as_stored(rgb: np.ndarray, quality: int) -> np.ndarray:
    data = imagecodecs.jpeg8_encode(rgb, level=quality, colorspace="rgb", subsampling="444")
    return np.asarray(imagecodecs.jpeg8_decode(data))


def _windows(side_px: int, tile_px: int) -> Iterator[tuple[slice, slice]]:
    for y in range(0, side_px - tile_px + 1, tile_px):
        for x in range(0, side_px - tile_px + 1, tile_px):
            yield np.s_[y : y + tile_px, x : x + tile_px]


def _form(rgb: np.ndarray) -> list[float]:
    """How much of the dark area survives ever wider openings, and the widest places."""
    dark = (cv2.blur(rgb[..., 0], (3, 3)) < np.median(rgb[..., 0]) - 40).astype(np.uint8)
    discs = (cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (k, k)) for k in (5, 7, 9, 11, 13, 15))
    left = [float(cv2.morphologyEx(dark, cv2.MORPH_OPEN, disc).sum()) for disc in discs]
    deep = cv2.distanceTransform(dark, cv2.DIST_L2, 3)
    widest = [float(deep.max()), float(np.sort(deep, axis=None)[-50:].mean())]
    return [*(v / (float(dark.sum()) + 50) for v in left), *widest]
