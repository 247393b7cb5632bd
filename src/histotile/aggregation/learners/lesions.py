"""Lesions of a slide in numbers: how many, how large, of what shape, how near; below a forest.

A lesion is a connected area of the probability map that reaches the threshold. Training slides are
described by their held-out predictions, as the slides that are asked about are: each by models that
never saw its patient. (A model's own training slides would show lesions far too clear.) So
the maps of training slides come from other folds' models, which were taught by the patients that
are asked about, too: what these taught can reach a forest through such a model's weights, though
neither their maps nor their labels do (stacking; docs/slides.md measures that it does not matter).
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from histotile.aggregation.aggregate import PredictedTiles
from histotile.aggregation.block_bootstrap import tile_cells
from histotile.aggregation.learners.bags import Answer, Bags, Learner
from histotile.config import Lesions
from histotile.errors import HistotileError
from histotile.stats.crossvalidation import Integers
from histotile.tasks.task import Doubles, Labels, Task, score

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

WORDS = (
    "number of areas",
    "share of tissue",
    "largest area",
    "mean area",
    "median area",
    "spread of areas",
    "areas of one tile",
    "longest axis",
    "mean elongation",
    "mean solidity",
    "least distance",
    "mean distance to the nearest",
    "highest value",
    "mean value within",
    "mean value of the slide",
)
TIMES = 10  # each feature is shuffled, for its importance
_EIGHT = np.ones((3, 3))  # neighbours across corners join


def lesion_words(task: Task) -> list[str]:
    """Names of the features, in their order."""
    return [f"{word} ({name})" for name in _looked_for(task) for word in WORDS]


def lesion_features(tiles: PredictedTiles, task: Task, threshold: float) -> Doubles:
    """(F,) of one slide, in the order of `lesion_words`; areas and distances count in tiles.

    NaN where the slide has no predicted tile.

    Args:
        tiles: Held-out predictions.
        task: What they are of; of classes the first, the background, is left out.
        threshold: From 0 to 1, on the scale of a value's layer.
    """
    known = ~np.isnan(tiles.probabilities).any(axis=1)
    names = _looked_for(task)
    if not known.any():
        return np.full(len(WORDS) * len(names), np.nan)
    columns, rows = tile_cells(tiles.x[known], tiles.y[known])
    found = []
    for name in names:
        column = task.names.index(name)
        values = task.layer(name).share(tiles.probabilities[known, column].astype(np.float64))
        picture = np.full((rows.max() + 1, columns.max() + 1), -np.inf)
        np.maximum.at(picture, (rows, columns), values)
        found.append(_described(picture, threshold, values))
    return np.concatenate(found)


def lesion_vectors(bags: Bags, task: Task, threshold: float) -> Doubles:
    """(S, F) of all slides.

    Raises:
        HistotileError: The tiles of a slide have no place in it.
    """
    for slide_id, tiles in zip(bags.slide_ids, bags.tiles, strict=True):
        if len(tiles.x) > 1 and not np.ptp(tiles.x) and not np.ptp(tiles.y):
            fact = "its tiles have no places (ready-made tiles), so it has no map of lesions"
            raise HistotileError(slide_id, fact, "choose another `aggregate.method`")
    return np.stack([lesion_features(tiles, task, threshold) for tiles in bags.tiles])


def forest_learner(bags: Bags, task: Task, vectors: Doubles, settings: Lesions) -> Learner:
    """A random forest on lesion features, one for all classes, or one for each label."""
    words = lesion_words(task)

    def learn(taught: Integers, asked: Integers, seed: int) -> Answer:
        forests = _planted(task, vectors[taught], bags.labels[taught], settings, seed)
        values = _told(task, forests, vectors[asked])
        known = asked[bags.labelled(task)[asked]]

        def importance() -> dict[str, float]:
            drops = _importance(task, forests, vectors[known], bags.labels[known], seed)
            return dict(zip(words, drops, strict=True))

        return Answer(values, importance=importance)

    return learn


def _looked_for(task: Task) -> tuple[str, ...]:
    return task.names[1:] if task.is_exclusive else task.names


def _described(
    picture: NDArray[np.float64], threshold: float, values: NDArray[np.float64]
) -> Doubles:
    from scipy.ndimage import label
    from skimage.measure import regionprops_table

    areas_of, count = label(picture >= threshold, _EIGHT)
    if not count:
        nothing = np.zeros(len(WORDS))
        far = _across(picture.shape)
        nothing[10:12], nothing[12], nothing[14] = far, values.max(), values.mean()
        return nothing
    asked = ("area", "axis_major_length", "eccentricity", "solidity", "centroid", "intensity_mean")
    table: dict[str, Any] = regionprops_table(  # type: ignore[no-untyped-call]
        areas_of, np.maximum(picture, 0.0), properties=asked
    )
    areas, longest = table["area"].astype(np.float64), table["axis_major_length"]
    near = _nearest(np.stack([table["centroid-0"], table["centroid-1"]], 1), picture.shape)
    return np.array(
        [
            count,
            areas.sum() / len(values),
            areas.max(),
            areas.mean(),
            np.median(areas),
            areas.std(),
            float((areas == 1).sum()),
            np.max(longest),
            table["eccentricity"].mean(),
            table["solidity"].mean(),
            near.min(),
            near.mean(),
            values.max(),
            np.average(table["intensity_mean"], weights=areas),
            values.mean(),
        ]
    )


def _nearest(places: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """(K,) distance of each lesion to the next one; across the whole map where it is alone."""
    from scipy.spatial import KDTree

    if len(places) < 2:
        return np.array([_across(shape)])
    return np.asarray(KDTree(places).query(places, k=2)[0][:, 1])


def _across(shape: tuple[int, ...]) -> float:
    return float(np.linalg.norm(shape))


def _planted(
    task: Task, vectors: Doubles, labels: Labels, settings: Lesions, seed: int
) -> "list[RandomForestClassifier | RandomForestRegressor]":
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    if task.kind == "regression":
        grown: Any = RandomForestRegressor(settings.trees, max_features=0.5, random_state=seed)
        return [grown.fit(vectors, labels)]
    columns = [labels] if labels.ndim == 1 else list(labels.T)
    return [
        RandomForestClassifier(
            settings.trees, class_weight="balanced_subsample", random_state=seed
        ).fit(vectors, column)
        for column in columns
    ]


def _told(task: Task, forests: Any, vectors: Doubles) -> Doubles:
    if task.kind == "regression":
        return np.asarray(forests[0].predict(vectors)).reshape(-1, 1)
    found = [np.asarray(forest.predict_proba(vectors), np.float64) for forest in forests]
    return found[0] if task.is_exclusive else np.stack([each[:, -1] for each in found], axis=1)


def _importance(task: Task, forests: Any, vectors: Doubles, labels: Labels, seed: int) -> Doubles:
    """(F,) what the task's score on slides not seen loses when a feature is shuffled among them."""
    whole = score(task, _told(task, forests, vectors), labels) if len(labels) else None
    if whole is None:
        return np.zeros(vectors.shape[1])
    generator = np.random.default_rng(seed)
    found = np.zeros(vectors.shape[1])
    for column in range(vectors.shape[1]):
        copies = np.repeat(vectors[None], TIMES, axis=0)
        copies[..., column] = generator.permuted(copies[..., column], axis=1)
        told = _told(task, forests, copies.reshape(-1, vectors.shape[1]))
        parts = told.reshape(TIMES, len(vectors), -1)
        found[column] = whole - np.mean([score(task, part, labels) or 0.0 for part in parts])
    return found
