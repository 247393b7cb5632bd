"""The learner of each method of `aggregate.method`."""

from typing import get_args

import numpy as np

from histotile.aggregation.aggregate import aggregate_slide
from histotile.aggregation.learners.bags import Answer, Bags, Kept, Learner
from histotile.aggregation.learners.lesions import forest_learner, lesion_vectors
from histotile.aggregation.learners.summaries import linear_learner, summaries, summed_up
from histotile.config import Aggregate, LearnSlides
from histotile.config.results import Pooling
from histotile.stats.crossvalidation import Integers
from histotile.tasks.task import Task


def make_learner(
    method: str, bags: Bags, task: Task, aggregate: Aggregate, settings: LearnSlides, kept: Kept
) -> Learner:
    """The learner of that method on these slides.

    Args:
        method: Not `auto`.
        bags: The slides, with features or predictions as the method needs.
        task: What is learnt.
        aggregate: Parameters of pooling.
        settings: Parameters of learners.
        kept: What learners of the same slides share.
    """
    if method in get_args(Pooling):
        return _pooling(method, bags, task, aggregate)
    if method == "lesions":
        threshold = settings.lesions.threshold
        vectors = kept.vectors(method, lambda: lesion_vectors(bags, task, threshold))
        return forest_learner(bags, task, vectors, settings.lesions)
    # Of attention, too: it refuses features that are not finite, or differ in number.
    name = "mean_features" if method == "attention" else method
    summary = summaries(settings.quantiles)[name]
    vectors = kept.vectors(name, lambda: summed_up(bags, summary))
    if method == "attention":
        from histotile.aggregation.learners.attention import attention_learner

        return attention_learner(bags, task, settings.attention)
    return linear_learner(bags, task, vectors)


def _pooling(method: str, bags: Bags, task: Task, aggregate: Aggregate) -> Learner:
    """Held-out predictions pooled; it learns nothing."""
    how = aggregate.model_copy(update={"method": method})

    def learn(taught: Integers, asked: Integers, seed: int) -> Answer:
        each = [
            aggregate_slide(bags.tiles[row].probabilities, how, task.is_exclusive) for row in asked
        ]
        return Answer(np.array(each).reshape(len(asked), len(task.names)))

    return learn
