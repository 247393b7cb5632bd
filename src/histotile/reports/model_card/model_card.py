"""The model card: what a model was made from and for, and where it must not be trusted.

After Mitchell et al., "Model Cards for Model Reporting", FAT* 2019, doi:10.1145/3287560.3287596. It
is a page like the others and no Markdown, so that names of slides and classes need no second
way of escaping, and so that it opens from disk and prints as it stands.
"""

from collections import Counter
from dataclasses import dataclass

from histotile.aggregation.aggregate import HOLDOUT
from histotile.reports.cohort.metrics_table import (
    SITE_MEASURES,
    Comparison,
    compare,
    overall,
    site_cells,
)
from histotile.reports.facts import CohortFacts
from histotile.reports.model_card.lines import (
    Line,
    describe_backbone,
    describe_data,
    describe_decision,
    describe_model,
    describe_split,
    describe_training,
    describe_use,
)
from histotile.reports.rendering import list_banners, render

CALIBRATION = ("ece", "brier", "nll", "calibration_slope", "calibration_intercept")


@dataclass(frozen=True)
class Part:
    """A part of the card: lines of term and value; a value of None is left to the investigator."""

    key: str
    title: str
    lines: list[Line]


def render_model_card(facts: CohortFacts) -> str:
    """One self-contained HTML page; what no artefact of the run tells is marked as to be filled."""
    comparisons = overall(compare(facts.metrics))
    return render(
        "model_card.html",
        facts=facts,
        parts_before=[
            Part("identity", "Model", describe_model(facts)),
            Part("use", "Intended use", describe_use(facts)),
            Part("data", "Data", describe_data(facts)),
            Part("split", "Division of the data", describe_split(facts)),
            Part(
                "learning",
                "How it was learnt",
                [*describe_decision(facts), *describe_backbone(facts), *describe_training(facts)],
            ),
        ],
        measured=[c for c in comparisons if c.metric not in CALIBRATION],
        calibration=[c for c in comparisons if c.metric in CALIBRATION],
        leads=[c for c in comparisons if c.difference],
        site_measures=SITE_MEASURES,
        site_cells=site_cells,
        limits=list_limits(facts, comparisons),
        banners=list_banners(facts.has_patients, facts.labels_source),
        alarms=facts.decision.alarms if facts.decision else [],
    )


def list_limits(facts: CohortFacts, comparisons: list[Comparison]) -> list[str]:
    """What limits the model as far as the run itself can tell, as sentences."""
    found = [*(f"{doubt}." for doubt in facts.run.backbone_doubts), *facts.warnings]
    if not any(c.fold == HOLDOUT for c in comparisons):
        found.append(
            "All measures come from cross-validation within this cohort; the model has not been "
            "tested on data from elsewhere."
        )
    sites = Counter(slide.site for slide in facts.slides if slide.site)
    if len(sites) < 2:
        found.append(
            "The cohort names no more than one site: how the model does at another is unknown."
        )
    if facts.decision:
        found += [f"{alarm.fact}. {alarm.remedy}." for alarm in facts.decision.alarms]
        if facts.decision.similarity.basis == "nothing":
            found.append(facts.decision.similarity.reasons[-1])
        if facts.decision.size.verdict != "large":
            found.append(
                f"The cohort is {facts.decision.size.verdict} by the evidence it holds, however "
                f"many tiles it has."
            )
    if facts.verification and facts.verification.verdict != "confirmed":
        found.append(f"The strategy is {facts.verification.verdict} by the other strategies.")
    return found
