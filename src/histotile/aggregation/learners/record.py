"""What learning slides found, as a record that pages read."""

import math
from collections import Counter
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from histotile.errors import HistotileError
from histotile.stats.bootstrap import Measurement, interval

LEAST_LOSS, MOST_WORDS = 0.005, 5  # of importance that is told


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

    @property
    def words(self) -> str:
        """The method, or those that were chosen, with their folds where they differ."""
        counts = Counter(self.chosen.values())
        if len(counts) < 2:
            return next(iter(counts), self.method)
        told = ", ".join(f"{method} in {n}" for method, n in counts.most_common())
        return f"{told} of {len(self.chosen)} folds"

    @property
    def verdict(self) -> str:
        """In the words of the decision: whether another method tried would have been better."""
        if self.regret is None or self.regret.low is None or self.regret.high is None:
            return "not checked"
        if self.regret.high < self.margin:
            return "confirmed"
        return "contradicted" if self.regret.low > self.margin else "not contradicted"

    @property
    def reason(self) -> str:
        """The regret with its interval, and what it means."""
        if self.regret is None or self.regret.value is None or self.regret.low is None:
            return "too few patients for an interval of the regret"
        low, high = self.regret.low + 0.0, (self.regret.high or 0.0) + 0.0
        text = f"{self.rival} minus the choice: {self.regret.value:+.3f}, 95 % {low:+.3f} to "
        meaning = {
            "confirmed": f"no other method tried is better by {self.margin:g} or more",
            "contradicted": f"use aggregate.method: {self.rival}",
        }.get(self.verdict, f"the data cannot tell them apart by {self.margin:g}")
        return f"{text}{high:+.3f}: {meaning}"

    @property
    def told_by(self) -> list[str]:
        """The most important features in words, each with what the score loses without it."""
        shown = [(word, loss) for word, loss in self.importance.items() if loss > LEAST_LOSS]
        return [f"{word} ({loss:.3f})" for word, loss in shown[:MOST_WORDS]]


def read_learning(path: Path) -> Learning:
    """The record that `learn-slides` wrote.

    Raises:
        HistotileError: It is none of this version.
    """
    try:
        return Learning.model_validate_json(path.read_text(encoding="utf-8"))
    except ValidationError as error:
        fact = "not written by this version of histotile"
        raise HistotileError(path, fact, "run `histotile learn-slides` again") from error


def span(measurement: Measurement) -> Span:
    """The number with its interval."""
    if not math.isfinite(measurement.value):
        return Span(value=None)
    bounds = interval(measurement.draws, 0.95)
    return Span(value=measurement.value, low=bounds.lower, high=bounds.upper)
