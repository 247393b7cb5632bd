"""Settings of the decision table, of its verification, and of the search for settings."""

from typing import Annotated, Literal

from pydantic import Field

from histotile.config.values import Fraction, Positive, Section


class Baseline(Section):
    """Baselines of the backbone: the same network with random weights, and colour alone."""

    max_tiles: Annotated[int, Field(ge=64)] = Field(
        description="Labelled tiles, spread evenly over patients and classes, on which the "
        "transfer of features is measured. More narrow the intervals of large cohorts."
    )
    seed: int = Field(description="Seed of the random weights and of the choice of tiles.")


class SizeRule(Section):
    """When a cohort is small, borderline or large."""

    icc_prior: Fraction = Field(
        description="Likeness of tiles of one patient (intra-class correlation) where fewer than "
        "5 patients leave it unmeasured."
    )
    small_neff: Positive = Field(
        description="Fewer effective tiles than this in some class: small."
    )
    small_patients: Annotated[int, Field(ge=1)] = Field(
        description="Fewer patients than this in some class: small."
    )
    large_neff: Positive = Field(
        description="At least this many effective tiles in each class, and `large_patients`: large."
    )
    large_patients: Annotated[int, Field(ge=1)] = Field(
        description="At least this many patients in each class, and `large_neff`: large."
    )


class SimilarityRule(Section):
    """When features transfer as they are."""

    stage_tolerance: Fraction = Field(
        description="Small cohorts: how far (AUROC) a stage may lie below the best one and still "
        "be under the head. Where that is the last stage alone: linear_probe."
    )
    min_gain: Annotated[float, Field(ge=-10, le=1)] = Field(
        description="Large cohorts: least gain of the last stage over random weights, "
        "(a - r) / (1 - r) of the AUROCs, for gentle steps. -0.6: it makes 60 % more errors than "
        "they do, which fine-tuning still mends."
    )
    min_gain_borderline: Annotated[float, Field(ge=-10, le=1)] = Field(
        description="Cohorts neither small nor large count as large from this gain on, else as "
        "small. 1: always small. -10: always large."
    )
    min_best_gain: Annotated[float, Field(ge=-10, le=1)] = Field(
        description="Gain of the best stage below which, if its whole 95 % interval lies below 0, "
        "no stage is worth keeping: the weights are only a start, in cohorts of any size."
    )
    head_skill: Fraction = Field(
        description="Skill of the best stage from which a head may be enough: the way of its score "
        "from guessing to perfect, 0.97 for an AUROC of 0.985. Below it all layers are retrained, "
        "in cohorts of any size, which on real tiles was better on average. Lower it where hours "
        "are dear."
    )
    saturated: Fraction = Field(
        description="AUROC of the last stage from which there is nothing to gain: similar, and "
        "the cheapest strategy."
    )
    min_patients: Annotated[int, Field(ge=1)] = Field(
        description="Small cohorts: fewer patients in some class leave similarity undecided."
    )
    max_interval: Fraction = Field(
        description="Small cohorts: a wider 95 % interval of last minus best earlier stage, if it "
        "holds zero, leaves similarity undecided."
    )


class Alarms(Section):
    """When a leak or a shortcut is reported."""

    stop: bool = Field(
        description="Whether a leak that is an error (not a warning) stops `train`, `compare` and "
        "`verify`. Switch off only to see what it does."
    )
    max_near_duplicates: Fraction = Field(
        description="Share of tiles with a near duplicate under another patient above which it is "
        "an error."
    )
    duplicate_likeness: Fraction = Field(
        description="Correlation of the structure of two tiles, brought into register, from which "
        "they count as near duplicates. Turned, cropped and recoloured copies reach 0.85 to 1, "
        "other tiles hardly 0.8."
    )
    max_association: Fraction = Field(
        description="Association (Cramer's V) of label with site, file format or mpp from which to "
        "warn."
    )


class Decide(Section):
    """Choosing the strategy of transfer learning."""

    size: SizeRule
    similarity: SimilarityRule
    alarms: Alarms
    max_hours: Positive | None = Field(
        description="Processor hours that training all folds may take, by forecast; strategies "
        "beyond it are not chosen, and the page says what that costs. null: no budget."
    )
    folds: Annotated[int, Field(ge=2, le=20)] = Field(
        description="Folds of the probes' cross-validation by patient."
    )
    repeats: Annotated[int, Field(ge=1, le=20)] = Field(
        description="Times the probes' cross-validation is repeated with other folds."
    )
    bootstraps: Annotated[int, Field(ge=20)] = Field(
        description="Resamples of patients behind intervals and the bootstrap of decisions."
    )
    seed: int = Field(description="Seed of folds and resamples.")


class Verify(Section):
    """Checking the decision against the other strategies."""

    budget: Literal["off", "probe", "full"] = Field(
        description="`probe`: the strategies that learn from cached features, minutes on a laptop. "
        "`full`: all four strategies in every fold, for cohorts worth the time. `off`: none."
    )
    margin: Fraction = Field(
        description="Regret (AUROC) that does not matter. Above it for certain: contradicted."
    )
    bootstraps: Annotated[int, Field(ge=100)] = Field(
        description="Resamples of patients behind the interval of the regret."
    )
    seed: int = Field(description="Seed of the resamples.")


class Tune(Section):
    """Searching better settings of a recipe on inner folds; only run when it is asked for."""

    trials: Annotated[int, Field(ge=2)] = Field(
        description="Trials, the first of which is the settings in force. Each trains `folds` "
        "times. A finished search goes on when this is raised."
    )
    folds: Annotated[int, Field(ge=2, le=20)] = Field(
        description="Inner folds that the training and validation patients of the fold are divided "
        "into; each class needs at least as many patients, and three; four for two folds."
    )
    repeats: Annotated[int, Field(ge=1, le=20)] = Field(
        description="Fresh divisions and seeds on which the best trial is held against the "
        "settings in force. Each trains both `folds` times."
    )
    max_hours: Positive | None = Field(
        description="Hours after which no further trial is begun; the comparison still follows. "
        "null: no limit."
    )
    bootstraps: Annotated[int, Field(ge=100)] = Field(
        description="Resamples of patients and repeats behind the interval of the gain."
    )
    seed: int = Field(description="Seed of the trials' settings, the divisions and the resamples.")
