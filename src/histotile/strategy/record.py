"""The decision as it is written down: decision.json, its fields and their meaning.

Scores are tile AUROCs (one class against the rest, mean over classes), or what
`similarity.score_name` names, of patients left out, mean over folds. Intervals are 95 % percentile
intervals over resampled patients.
"""

from pathlib import Path
from typing import Literal

from pydantic import Field

from histotile.errors import HistotileError
from histotile.io.findings import Finding
from histotile.strategy.context import Cost, LeftOut
from histotile.strategy.entry import Entry, Estimate, read_record

Strategy = Literal["linear_probe", "early_probe", "finetune", "retrain"]
Basis = Literal["measured", "saturated", "prior", "pathology", "foreign", "room", "nothing"]
STRATEGIES: tuple[Strategy, ...] = ("linear_probe", "early_probe", "finetune", "retrain")


class ClassSize(Entry):
    """How much independent evidence there is of one class."""

    name: str
    tiles: int
    patients: int
    effective: float = Field(description="Effective tiles, after Kish: tiles of a patient overlap")


class Size(Entry):
    """The horizontal axis of the table."""

    verdict: Literal["small", "borderline", "large"]
    counts_as: Literal["small", "large"] = Field(
        description="The half of the table; borderline cohorts go by the gain of their last stage"
    )
    icc: float = Field(description="Likeness of tiles of one patient in feature space, 0-1")
    icc_source: Literal["measured", "prior"]
    classes: list[ClassSize]
    reasons: list[str] = Field(description="The comparisons with the thresholds, as sentences")


class StageScore(Entry):
    """What one stage of the backbone is worth on this cohort."""

    stage: int
    name: str
    weights: int
    score: Estimate
    random_score: Estimate | None = Field(description="The same with random weights")
    knn: float | None = Field(description="AUROC of 20 nearest tiles of other patients")
    logme: float | None


class Similarity(Entry):
    """The vertical axis of the table."""

    verdict: Literal["similar", "different"]
    basis: Basis
    stages: list[StageScore]
    best_stage: int
    early_stages: list[int] = Field(description="Stages under the head of early_probe, ascending")
    shortfall: Estimate = Field(description="Best stage minus last stage")
    gain: Estimate | None = Field(description="(a - r) / (1 - r): last stage a, best random r")
    best_gain: Estimate | None = Field(default=None, description="The same of the best stage")
    depth_sufficient: bool | None = Field(
        description="S1, decides if small: no earlier stage comes near the last one"
    )
    gain_sufficient: bool | None = Field(description="S2, decides if large: the gain suffices")
    reasons: list[str]
    guessed: float | None = Field(
        default=None, description="What guessing may reach, where nothing learnable was measured"
    )
    score_name: str = Field(default="AUROC", description="What stages are judged by")
    chance: float = Field(default=0.5, description="That score of guessing")

    @property
    def best_random_stage(self) -> int:
        """The stage at which random weights do best; the last one where they were not measured."""
        scored = [(s.random_score.value, s.stage) for s in self.stages if s.random_score]
        return max(scored, default=(0.0, self.stages[-1].stage))[1]

    @property
    def is_start_only(self) -> bool:
        """Whether no head is enough, whatever the size: weights are where training begins."""
        return self.basis in {"foreign", "room"}

    @property
    def words(self) -> str:
        """The verdict, after "small cohort, "."""
        told = {
            "nothing": "nothing learnable was measured",
            "foreign": "features foreign at every depth: a start, whatever the size",
            "room": "features that leave room: a start, whatever the size",
        }
        return told.get(self.basis, f"features {self.verdict}")


class Budget(Entry):
    """What a strategy would train, and how many samples there are for it."""

    strategy: Strategy
    trained_weights: int
    frozen_weights: int
    dropped_weights: int
    effective_per_weight: float
    allowed_weights: int = Field(description="By the rule of thumb of two samples per weight")
    chosen: bool


class Baseline(Entry):
    """A number beside the decision that tells whether it can be trusted."""

    name: str
    score: Estimate
    meaning: str


class Alarm(Entry):
    """A leak or a shortcut. An error that is a leak stops training; a shortcut is told."""

    level: Literal["error", "warning"]
    name: Literal[
        "near_duplicates",
        "site_label",
        "site_features",
        "scanner_label",
        "colour",
        "format_label",
        "mpp_label",
        "lost_tiles",
    ]
    key: str = Field(default="", description="Which slides it is about, where it may be accepted")
    fact: str
    remedy: str

    @property
    def is_leak(self) -> bool:
        """Whether it makes scores wrong by itself, so that nothing is to be trained."""
        return self.level == "error" and self.name == "near_duplicates"

    @property
    def finding(self) -> Finding:
        """By which the user may accept it."""
        return Finding("alarm", f"{self.name} {self.key}", "decision", self.fact, self.remedy)


class Point(Entry):
    """A place on the table: x < 0 small, 0-1 borderline, from 1 large; y from 0 similar.

    Below y = -1 no head is enough, whatever the size.
    Cohorts that are borderline and similar, but count as small, stand at x = -0.05.
    """

    x: float
    y: float
    strategy: Strategy


class FoldDecision(Entry):
    """The decision made from the training and validation patients of one fold alone."""

    fold: str
    strategy: Strategy = Field(description="What is trained")
    stages: list[int] = Field(description="Stages under the head, ascending")
    table_strategy: Strategy = Field(description="What the table says, if it was overruled")
    early_stages: list[int] = Field(description="Those of early_probe")
    basis: Basis = Field(description="What the verdict on its features rests on")


class Decision(Entry):
    """Everything behind the choice of a strategy."""

    histotile: str
    research_use: str
    created: str
    classes: list[str]
    backbone: str = Field(description="Name and weights")
    backbone_id: str
    tiles: int = Field(description="Tiles the probes used")
    labelled_tiles: int
    left_out: LeftOut
    patients: int
    has_patients: bool
    strategy: Strategy = Field(description="What is trained")
    stages: list[int] = Field(description="Stages under the head; the last one unless early_probe")
    last_stage: int
    table_strategy: Strategy = Field(description="What the table says, if it was overruled")
    forced: bool
    size: Size
    similarity: Similarity
    budget: list[Budget]
    training: list[str] = Field(description="What is frozen, how the rest learns, as sentences")
    costs: dict[Strategy, Cost] = Field(description="Of training all folds, by forecast")
    cost_basis: str | None = Field(description="What the forecast measured and assumed")
    max_hours: float | None = Field(description="Processor hours allowed (decide.max_hours)")
    counterfactuals: list[str] = Field(description="What would change the decision")
    baselines: list[Baseline]
    alarms: list[Alarm]
    stop: bool = Field(description="Whether a leak that is an error stops training")
    position: Point
    bootstrap: list[Point] = Field(description="Positions over resampled patients")
    frequencies: dict[Strategy, float] = Field(description="Share of the bootstrap per strategy")
    folds: list[FoldDecision]
    thresholds: dict[str, float | str]
    notes: list[str]
    seconds: float

    @property
    def chosen_by(self) -> str:
        """Who or what chose the strategy that is trained."""
        if self.forced:
            return "set by hand"
        if self.strategy != self.table_strategy:
            return f"within decide.max_hours; the table says {self.table_strategy}"
        known = self.similarity.basis != "nothing"
        return "by the table" if known else "though nothing speaks for a strategy"

    def of_fold(self, fold: str) -> FoldDecision:
        """The decision for a fold.

        Raises:
            HistotileError: It knows no such fold.
        """
        found = next((f for f in self.folds if f.fold == fold), None)
        if found is None:
            known = ", ".join(f.fold for f in self.folds) or "none"
            raise HistotileError("decision", f"it knows no {fold} (but {known})", "decide again")
        return found


def read_decision(path: Path) -> Decision:
    """The decision in a decision.json.

    Raises:
        HistotileError: It is none of this version.
    """
    return read_record(path, Decision, "decide")
