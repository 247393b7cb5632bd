"""What a search for settings writes: its trials, what matters, and whether it was worth it."""

from typing import Any, Literal

from pydantic import Field

from histotile.strategy.entry import Entry, Estimate

Verdict = Literal["worth it", "perhaps", "not worth it", "not known"]


class Parameter(Entry):
    """A setting of section `train` by its dotted key, its value in force, and its range.

    `augment` counts in steps of strength, up or down, of all changes that are in force.
    """

    key: str
    default: float
    low: float
    high: float
    scale: Literal["log", "linear", "steps"]


class Trial(Entry):
    """One set of settings, trained on every inner fold."""

    settings: dict[str, Any] = Field(description="Of section `train`, dotted keys; none: in force")
    score: float | None = Field(description="Mean over inner folds; null: it failed")
    folds: list[float | None] = Field(description="Score of each inner fold")
    gave_way: int = Field(description="Inner folds in which a probe took the training's place")
    reason: str | None = Field(description="Why it failed")
    seconds: float
    processor_seconds: float

    @property
    def told(self) -> str:
        """Its score, those of the inner folds and its time; or why it failed."""
        if self.score is None:
            return f"failed: {self.reason}"
        folds = ", ".join("none" if fold is None else f"{fold:.3f}" for fold in self.folds)
        return f"{self.score:.4f} (inner folds {folds}), {self.seconds:.0f} s"


class Repeat(Entry):
    """The best trial and the settings in force, on a division and a seed that chose neither."""

    in_force: Trial
    best: Trial


class Gain(Entry):
    """The best trial minus the settings in force, over all repeats."""

    difference: Estimate = Field(description="95 %: patients and repeats resampled")
    low_of_chosen: float | None = Field(
        description="Lower end that allows for the choice among all trials on the same patients"
    )
    in_force: float
    best: float
    spread: float | None = Field(
        description="Standard deviation of the score in force over repeats; null: of one"
    )
    difference_spread: float | None


class Tuning(Entry):
    """A search, and the comparison behind it."""

    histotile: str
    research_use: str
    fold: str
    strategy: str
    score_name: str
    patients: int
    inner_folds: int
    seed: int
    asked: int = Field(description="Trials that were asked for; fewer: tune.max_hours")
    space: list[Parameter]
    trials: list[Trial] = Field(description="The first is the settings in force")
    chosen: int | None = Field(description="Trial of the best score, other than the first")
    importance: dict[str, float] | None = Field(description="Shares of the scores' variance")
    importance_missing: str | None
    repeats: list[Repeat]
    gain: Gain | None
    verdict: Verdict
    reasons: list[str]
    lines: str = Field(description="YAML of the chosen trial, for config.yaml")

    @property
    def headline(self) -> str:
        """The verdict with the gain."""
        if self.gain is None:
            return self.verdict
        return f"{self.verdict}: {self.gain.difference.value:+.3f} {self.score_name}"

    @property
    def cost(self) -> dict[str, tuple[float, float]]:
        """Hours and processor hours of the search, and of the comparison."""
        fresh = [trial for repeat in self.repeats for trial in (repeat.in_force, repeat.best)]
        return {"search": _hours(self.trials), "comparison": _hours(fresh)}


def _hours(trials: list[Trial]) -> tuple[float, float]:
    return (
        sum(trial.seconds for trial in trials) / 3600,
        sum(trial.processor_seconds for trial in trials) / 3600,
    )
