"""In iso-colour mode colour tells nothing of a tumour, and the form of its nuclei everything."""

from dataclasses import dataclass
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

from histotile.configfile import read_config
from histotile.slides.factory.organs import Mode
from histotile.slides.factory.plan import plan_cohort
from histotile.slides.factory.truth import lesion_outlines
from histotile.slides.factory.world import World

OVERVIEW = 16


@dataclass
class Tiles:
    """Labelled tiles: mean and SD of RGB, strength of large dark things, label, patient."""

    colour: np.ndarray
    form: np.ndarray
    label: np.ndarray
    patient: np.ndarray


def draw_tiles(mode: Mode, tile_px: int, seed: int) -> Tiles:
    """The labelled tiles of a small cohort, as they come back from JPEG."""
    standard = read_config(Path(__file__).parents[3] / "config" / "config.yaml").synthesize
    changes = {"slides": 16, "patients": 16, "side_px": 1792, "mode": mode, "seed": seed}
    rows: list[tuple[list[float], float, bool, str]] = []
    for slide in plan_cohort(standard.model_copy(update={**changes, "artefact_rate": 0.0})):
        world = World(slide.spec)
        lesion = np.zeros((world.height, world.width), np.uint8)
        for points in lesion_outlines(world):
            cv2.fillPoly(lesion, [points.astype(np.int32)], 1)
        nodes = world.tissue(0, 0, world.width // OVERVIEW, world.height // OVERVIEW, OVERVIEW) > 0
        tissue = cv2.resize(nodes.astype(np.uint8), lesion.shape[::-1], interpolation=0)
        for y in range(0, world.height - tile_px + 1, tile_px):
            for x in range(0, world.width - tile_px + 1, tile_px):
                window = np.s_[y : y + tile_px, x : x + tile_px]
                overlap = lesion[window].mean()
                if tissue[window].mean() < 0.5 or 0.02 < overlap < 0.5:
                    continue
                rgb = _as_stored(world.region(x, y, tile_px, tile_px), standard.jpeg_quality)
                colour = [*rgb.mean(axis=(0, 1)), *rgb.std(axis=(0, 1))]
                rows.append((colour, _form(rgb), overlap >= 0.5, slide.patient_id))
    colours, forms, labels, patients = zip(*rows, strict=True)
    return Tiles(np.array(colours), np.array(forms), np.array(labels), np.array(patients))


def colour_auroc(tiles: Tiles) -> float:
    """Mean AUROC over patient-disjoint folds of a logistic model on mean and SD of RGB."""
    folds = StratifiedGroupKFold(4, shuffle=True, random_state=0)
    scores = []
    for train, test in folds.split(tiles.colour, tiles.label, tiles.patient):
        model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced"))
        model.fit(tiles.colour[train], tiles.label[train])
        guess = model.decision_function(tiles.colour[test])
        scores.append(roc_auc_score(tiles.label[test], guess))
    return float(np.mean(scores))


@pytest.mark.parametrize(("tile_px", "seed"), [(96, 0), (128, 1), (224, 2), (256, 3)])
def test_colour_tells_nothing_in_iso_colour_mode(tile_px: int, seed: int) -> None:
    tiles = draw_tiles("iso_colour", tile_px, seed)
    assert colour_auroc(tiles) < 0.65
    assert tiles.label.sum() > 20


def test_form_tells_what_colour_does_not() -> None:
    tiles = draw_tiles("iso_colour", 128, 1)
    assert roc_auc_score(tiles.label, tiles.form) > 0.85


def test_colour_solves_easy_mode() -> None:
    assert colour_auroc(draw_tiles("easy", 128, 1)) > 0.85


def _as_stored(rgb: np.ndarray, quality: int) -> np.ndarray:
    data = imagecodecs.jpeg8_encode(rgb, level=quality, colorspace="rgb", subsampling="444")
    return np.asarray(imagecodecs.jpeg8_decode(data))


def _form(rgb: np.ndarray) -> float:
    """Area of dark things wider than a usual nucleus, against all dark things."""
    dark = (cv2.blur(rgb[..., 0], (3, 3)) < np.median(rgb[..., 0]) - 45).astype(np.uint8)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (13, 13))
    return float((cv2.morphologyEx(dark, cv2.MORPH_OPEN, disc).sum() + 1) / (dark.sum() + 100))
