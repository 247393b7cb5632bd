"""Tissue masks of drawn overviews, with recall and precision as numbers."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from histotile.config import Mask as MaskSettings
from histotile.slides.tissue.tissue import INK, TISSUE, draw_overlay, find_tissue, survey

Rgb = NDArray[np.uint8]
Mask = NDArray[np.bool_]
UM_PER_PX = 8.0
SETTINGS = MaskSettings(
    mpp=8.0,
    min_saturation=0.03,
    min_od=0.15,
    min_contrast=0.02,
    exclude_pen=True,
    min_object_um2=20000,
    max_hole_um2=10000,
)


def glass(colour: tuple[int, int, int] = (243, 243, 244), noise: float = 2.0) -> Rgb:
    rng = np.random.default_rng(0)
    picture = np.array(colour) + rng.normal(0, noise, (400, 500, 3))
    return np.asarray(np.clip(picture, 0, 255), np.uint8)


def blob(centre: tuple[int, int] = (250, 200), axes: tuple[int, int] = (130, 90)) -> Mask:
    canvas = np.zeros((400, 500), np.uint8)
    return np.asarray(cv2.ellipse(canvas, centre, axes, 20, 0, 360, 1, -1)).astype(bool)


def paint(picture: Rgb, where: Mask, colour: tuple[int, int, int], texture: float = 12.0) -> Rgb:
    rng = np.random.default_rng(1)
    stained = np.array(colour) + rng.normal(0, texture, (*where.shape, 1))
    return np.where(where[..., None], np.clip(stained, 0, 255), picture).astype(np.uint8)


def recall_precision(found: Mask, truth: Mask) -> tuple[float, float]:
    both = (found & truth).sum()
    return float(both / truth.sum()), float(both / max(found.sum(), 1))


@pytest.mark.parametrize("noise", [0.0, 2.0, 5.0])
@pytest.mark.parametrize("colour", [(243, 243, 244), (215, 216, 218), (246, 240, 218)])
def test_empty_glass_has_no_tissue(colour: tuple[int, int, int], noise: float) -> None:
    assert find_tissue(glass(colour, noise), UM_PER_PX, SETTINGS).sum() == 0


def test_uneven_light_on_empty_glass_is_no_tissue() -> None:
    shade = np.linspace(0.9, 1.0, 500)[None, :, None]
    picture = (glass().astype(float) * shade).astype(np.uint8)
    assert find_tissue(picture, UM_PER_PX, SETTINGS).sum() == 0


@pytest.mark.parametrize(
    ("glass_colour", "tissue_colour"),
    [
        ((243, 243, 244), (205, 130, 180)),  # H&E
        ((243, 243, 244), (95, 60, 130)),  # lymph node
        ((243, 243, 244), (238, 222, 234)),  # pale pink
        ((246, 240, 218), (205, 130, 160)),  # yellow glass
        ((215, 216, 218), (190, 150, 180)),  # dim lamp
        ((243, 243, 244), (120, 80, 50)),  # DAB
    ],
)
def test_tissue_is_found_on_its_glass(
    glass_colour: tuple[int, int, int], tissue_colour: tuple[int, int, int]
) -> None:
    truth = blob()
    texture = 3.0 if min(tissue_colour) > 200 else 12.0
    picture = paint(glass(glass_colour), truth, tissue_colour, texture)
    recall, precision = recall_precision(find_tissue(picture, UM_PER_PX, SETTINGS), truth)
    assert recall > 0.97
    assert precision > 0.95


def test_pale_and_dark_tissue_on_one_slide_are_both_found() -> None:
    dark, pale = blob((130, 200), (80, 60)), blob((380, 200), (80, 60))
    picture = paint(paint(glass(), dark, (95, 60, 130)), pale, (238, 222, 234), 3.0)
    found = find_tissue(picture, UM_PER_PX, SETTINGS)
    assert recall_precision(found, dark | pale)[0] > 0.97


def test_a_picture_full_of_tissue_is_all_tissue() -> None:
    everywhere = np.ones((400, 500), bool)
    picture = paint(glass(), everywhere, (205, 130, 180))
    assert find_tissue(picture, UM_PER_PX, SETTINGS).mean() > 0.97


def test_a_thin_biopsy_on_a_large_slide_is_found() -> None:
    truth = np.zeros((400, 500), bool)
    truth[200:214, 60:200] = True  # 112 um thick, 1 % of the slide
    found = find_tissue(paint(glass(), truth, (205, 130, 180)), UM_PER_PX, SETTINGS)
    assert recall_precision(found, truth) > (0.95, 0.0)
    assert recall_precision(found, truth)[1] > 0.8


@pytest.mark.parametrize(
    "ink",
    [(40, 160, 80), (30, 70, 200), (215, 35, 45), (30, 30, 34)],
    ids=["green", "blue", "red", "black"],
)
def test_pen_is_cut_out_and_tissue_stays(ink: tuple[int, int, int]) -> None:
    truth = blob()
    picture = paint(glass(), truth, (205, 130, 180))
    stroke = np.zeros((400, 500), np.uint8)
    cv2.line(stroke, (20, 40), (480, 60), 1, 9)
    cv2.line(stroke, (250, 50), (250, 350), 1, 9)  # across the tissue
    inked = np.where(stroke[..., None] > 0, np.array(ink, np.uint8), picture)
    inked = np.asarray(cv2.GaussianBlur(inked, (0, 0), 1.0), np.uint8)
    found = find_tissue(inked, UM_PER_PX, SETTINGS)
    assert (found & (stroke > 0)).sum() == 0
    assert (found & ~truth).sum() < 0.03 * truth.sum()
    recall, _ = recall_precision(found, truth & (cv2.dilate(stroke, np.ones((25, 25))) == 0))
    assert recall > 0.97


@pytest.mark.parametrize(
    "stain",
    [
        (60, 150, 120),  # Masson
        (150, 205, 170),  # Grocott
        (110, 110, 190),  # Giemsa
        (200, 60, 140),  # PAS
        (130, 190, 220),  # Alcian blue
        (70, 45, 30),  # melanin
        (60, 58, 60),  # silver
        (230, 120, 90),  # Congo red
    ],
)
@pytest.mark.parametrize("texture", [0.0, 12.0])
def test_a_stain_is_not_ink_whatever_its_colour(
    stain: tuple[int, int, int], texture: float
) -> None:
    truth = blob()
    seen = survey(paint(glass(), truth, stain, texture), UM_PER_PX, SETTINGS)
    assert not (seen.levels == INK).any()
    assert not seen.ledger
    if max(stain) > 65:  # neutral black is no tissue by saturation
        assert (seen.levels == TISSUE)[truth].mean() > 0.97


def test_what_was_taken_for_ink_is_told_and_can_be_kept() -> None:
    truth = blob()
    picture = paint(glass(), truth, (205, 130, 180))
    stroke = np.zeros((400, 500), np.uint8)
    cv2.line(stroke, (20, 40), (480, 330), 1, 14)
    picture[stroke > 0] = (20, 120, 60)
    seen = survey(picture, UM_PER_PX, SETTINGS)
    (entry,) = seen.ledger
    assert entry.reason == "taken for green ink"
    assert entry.area_um2 == pytest.approx(stroke.sum() * UM_PER_PX**2, rel=0.1)
    assert entry.share == pytest.approx(stroke.sum() / (truth | (stroke > 0)).sum(), rel=0.15)
    assert (seen.levels == INK)[stroke > 0].mean() > 0.97
    keep = SETTINGS.model_copy(update={"exclude_pen": False})
    assert not survey(picture, UM_PER_PX, keep).ledger
    assert find_tissue(picture, UM_PER_PX, keep)[stroke > 0].mean() > 0.9


def test_strokes_of_one_ink_that_cross_in_two_widths_are_found_and_tissue_stays() -> None:
    truth = blob(axes=(60, 40))
    stroke = np.zeros((400, 500), np.uint8)
    cv2.ellipse(stroke, (250, 200), (150, 120), 0, 0, 360, 1, 7)
    cv2.line(stroke, (30, 30), (260, 110), 1, 24)
    cv2.line(stroke, (40, 150), (230, 15), 1, 24)
    picture = paint(glass(), truth, (205, 130, 180))
    picture[stroke > 0] = (200, 30, 45)
    levels = survey(picture, UM_PER_PX, SETTINGS).levels
    assert (levels == INK)[stroke > 0].mean() > 0.97
    assert (levels == TISSUE)[truth].mean() > 0.97


def test_a_black_stroke_along_the_edge_of_the_picture_is_ink() -> None:
    picture = paint(glass(), blob(axes=(70, 50)), (205, 130, 180))
    stroke = np.zeros((400, 500), np.uint8)
    cv2.ellipse(stroke, (250, 210), (220, 215), 0, 0, 360, 1, 25)  # a ring that the edge cuts
    picture[stroke > 0] = (14, 13, 16)
    seen = survey(picture, UM_PER_PX, SETTINGS)
    assert (seen.levels == INK)[stroke > 0].mean() > 0.97
    assert [entry.reason for entry in seen.ledger] == ["taken for black ink"]


def test_black_padding_and_frames_are_no_tissue() -> None:
    truth = blob()
    picture = paint(glass(), truth, (205, 130, 180))
    frame = np.ones((400, 500), bool)
    frame[25:370, 40:470] = False
    picture[frame] = (3, 0, 5)
    found = find_tissue(picture, UM_PER_PX, SETTINGS)
    recall, precision = recall_precision(found, truth)
    assert not (found & frame).any()
    assert (recall, precision) > (0.97, 0.0)
    assert precision > 0.95


def test_a_black_slide_is_empty_and_fluorescence_is_what_shines() -> None:
    rng = np.random.default_rng(2)
    field = rng.integers(0, 6, (400, 500, 3)).astype(np.uint8)
    assert find_tissue(field, UM_PER_PX, SETTINGS).sum() == 0
    truth = blob()
    shining = field.copy()
    shining[truth] = (0, 0, 120)
    recall, precision = recall_precision(find_tissue(shining, UM_PER_PX, SETTINGS), truth)
    assert recall > 0.97
    assert precision > 0.95


def test_small_pieces_go_and_small_holes_fill_by_area_in_um2() -> None:
    truth = blob()
    picture = paint(glass(), truth, (205, 130, 180))
    picture[20:32, 20:32] = (205, 130, 180)  # 9216 um2
    picture[195:205, 245:255] = (243, 243, 244)  # 6400 um2
    picture[150:175, 200:225] = (243, 243, 244)  # 40000 um2
    found = find_tissue(picture, UM_PER_PX, SETTINGS)
    assert not found[15:40, 15:40].any()
    assert found[198:202, 248:252].all()
    assert not found[157:168, 207:218].any()
    fine = SETTINGS.model_copy(update={"min_object_um2": 5000, "max_hole_um2": 50000})
    found = find_tissue(picture, UM_PER_PX, fine)
    assert found[24:28, 24:28].all()
    assert found[157:168, 207:218].all()
    no_fill = SETTINGS.model_copy(update={"max_hole_um2": 0})
    assert not find_tissue(picture, UM_PER_PX, no_fill)[197:203, 247:253].any()


def test_the_overlay_fades_glass_and_keeps_tissue() -> None:
    truth = blob()
    picture = paint(glass((200, 200, 200)), truth, (205, 130, 180))
    overlay = draw_overlay(picture, truth * np.uint8(TISSUE))
    assert overlay.shape == picture.shape
    assert overlay.dtype == np.uint8
    np.testing.assert_array_equal(overlay[190:210, 240:260], picture[190:210, 240:260])
    assert overlay[10, 10].mean() > picture[10, 10].mean() + 10
    assert (overlay == (0, 140, 60)).all(axis=-1).sum() > 300
