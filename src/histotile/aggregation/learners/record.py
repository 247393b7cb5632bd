"""What learning slides found, as a record that pages read."""

import math

from pydantic import BaseModel, ConfigDict, Field

from histotile.stats.bootstrap import Measurement, interval


class Part(BaseModel):
    """A part of the record; knows no other keys than its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Span(Part):
    """A number with its 95 % interval over patients; null where it could not be had."""

    value: float | None
    low: float | None = None
    high: float | None = None


class MethodScore(Part):
    """How a method did on slides of patients it had not seen."""

    method: str
    score: Span = Field(description="The task's score per fold, mean over folds")
    inner: dict[str, float | None] = Field(
        description="Fold -> score on left-out training patients; empty without a choice"
    )
    seconds: float


class Learning(Part):
    """Slides learnt: what each method reached, what was chosen, and what the choice cost.

    Attributes:
        method: As `aggregate.method` says it.
        chosen: Fold -> method that scores its slides.
        methods: The simplest first.
        own: Of the methods chosen, fold by fold.
        rival: The best of the other methods in hindsight; null: there is none.
        regret: Rival minus choice, on the same patients.
        margin: Within which the simplest method was preferred.
        score_name: What methods are judged by.
        importance: What the score loses without a feature, mean over folds; of `lesions` alone.
    """

    method: str
    chosen: dict[str, str]
    methods: list[MethodScore]
    own: Span
    rival: str | None
    regret: Span | None
    margin: float
    score_name: str
    importance: dict[str, float]


def span(measurement: Measurement) -> Span:
    """The number with its interval."""
    if not math.isfinite(measurement.value):
        return Span(value=None)
    bounds = interval(measurement.draws, 0.95)
    return Span(value=measurement.value, low=bounds.lower, high=bounds.upper)
