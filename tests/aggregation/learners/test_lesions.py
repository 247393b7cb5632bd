import numpy as np
import pytest

from histotile.aggregation.aggregate import PredictedTiles
from histotile.aggregation.learners.bags import Bags
from histotile.aggregation.learners.lesions import (
    WORDS,
    forest_learner,
    lesion_features,
    lesion_vectors,
    lesion_words,
)
from histotile.config import LearnSlides
from histotile.errors import HistotileError
from histotile.tasks.registry import make_task
from histotile.tasks.task import Task, score


def mapped(picture: np.ndarray, task: Task, stride: int = 224) -> PredictedTiles:
    """A map of the last name's share as tiles; NaN: no tile."""
    rows, columns = np.nonzero(~np.isnan(picture))
    p = picture[rows, columns]
    values = np.stack([1 - p, p], 1) if task.is_exclusive else np.stack([p] * len(task.names), 1)
    return PredictedTiles(columns * stride, rows * stride, values.astype(np.float32))


def islands(count: int, seed: int) -> np.ndarray:
    """A map of 24 x 24 tiles with so many lesions of 2 x 2, 4 apart; 36 tiles in all."""
    picture = np.full((24, 24), 0.1)
    places = np.random.default_rng(seed).permutation(36)[:count]
    for place in places:
        row, column = divmod(int(place), 6)
        picture[4 * row : 4 * row + 2, 4 * column : 4 * column + 2] = 0.9
    return picture


def test_features_worked_out_by_hand() -> None:
    task = make_task(("a", "b"))
    picture = np.full((4, 6), 0.2)
    picture[0, 0] = picture[1, 1] = 0.8  # joined across the corner
    picture[0, 5] = 0.6
    picture[3, :] = np.nan
    told = dict(zip(WORDS, lesion_features(mapped(picture, task), task, 0.5), strict=True))
    assert told["number of areas"] == 2
    assert told["share of tissue"] == pytest.approx(3 / 18)
    assert (told["largest area"], told["mean area"], told["areas of one tile"]) == (2, 1.5, 1)
    assert told["least distance"] == pytest.approx(np.hypot(4.5, 0.5))
    assert told["highest value"] == pytest.approx(0.8)
    assert told["mean value within"] == pytest.approx((2 * 0.8 + 0.6) / 3)
    assert lesion_words(task)[0] == "number of areas (b)"


def test_a_slide_without_lesion_or_without_tiles_has_its_own_numbers() -> None:
    task = make_task(("a", "b"))
    none = lesion_features(mapped(np.full((3, 3), 0.1), task), task, 0.5)
    assert none[0] == none[1] == 0
    assert np.isfinite(none).all()
    empty = PredictedTiles(np.empty(0, int), np.empty(0, int), np.empty((0, 2), np.float32))
    assert np.isnan(lesion_features(empty, task, 0.5)).all()


def test_a_forest_tells_slides_by_the_number_of_lesions_alone(learning: LearnSlides) -> None:
    task = make_task(("few", "many"))
    counts = [4 if row % 2 == 0 else 12 for row in range(60)]
    tiles = []
    for row, count in enumerate(counts):
        picture = islands(count, row)
        picture[picture > 0.5] *= 12 / count / 3.4  # the same sum over the map, near enough
        tiles.append(mapped(np.clip(picture, 0, 0.95), task))
    labels = task.labels(["few" if count == 4 else "many" for count in counts])
    bags = Bags([str(row) for row in range(60)], np.arange(60), labels, tiles=tiles)
    settings = learning.lesions.model_copy(update={"threshold": 0.25})
    rows = np.arange(60)
    learn = forest_learner(bags, task, lesion_vectors(bags, task, 0.25), settings)
    answer = learn(rows[:40], rows[40:], 0)
    assert (score(task, answer.values, labels[40:]) or 0) > 0.95
    assert answer.importance is not None
    importance = answer.importance()
    assert list(importance) == lesion_words(task)
    assert max(importance, key=importance.__getitem__) != "mean value of the slide (many)"


def test_forests_of_labels_and_of_numbers(learning: LearnSlides) -> None:
    counts = np.arange(60) % 13
    for task, texts in (
        (make_task(("n",), "regression", {"high": 12.0}), [str(c) for c in counts]),
        (make_task(("x", "y"), "multilabel"), ["x;y" if c > 6 else "none" for c in counts]),
    ):
        shares = [islands(int(c), i) for i, c in enumerate(counts)]
        scale = 12.0 if task.kind == "regression" else 1.0
        tiles = [
            PredictedTiles(t.x, t.y, t.probabilities * scale)
            for t in (mapped(share, task) for share in shares)
        ]
        bags = Bags([str(i) for i in range(60)], np.arange(60), task.labels(texts), tiles=tiles)
        learn = forest_learner(bags, task, lesion_vectors(bags, task, 0.5), learning.lesions)
        answer = learn(np.arange(40), np.arange(40, 60), 0)
        assert answer.values.shape == (20, len(task.names))
        assert (score(task, answer.values, bags.labels[40:]) or 0) > 0.9


def test_tiles_without_a_place_are_refused() -> None:
    task = make_task(("a", "b"))
    still = PredictedTiles(np.zeros(3, int), np.zeros(3, int), np.full((3, 2), 0.5, np.float32))
    bags = Bags(["s"], np.zeros(1, np.int64), task.labels(["a"]), tiles=[still])
    with pytest.raises(HistotileError, match="have no places"):
        lesion_vectors(bags, task, 0.5)
