"""The division into folds, made as `split` will make it."""

from histotile.checks.problem import Problem, attempt
from histotile.config import Config
from histotile.io.cohort import Cohort


def check_folds(cohort: Cohort, config: Config) -> list[Problem]:
    """Whether the patients can be divided; quarantined slides may still make it harder."""
    from histotile.splitting.splits import make_folds

    problems: list[Problem] = []
    patients = cohort.has_patients
    attempt(problems, make_folds, cohort.slides, config.split, config.classes, patients)
    return problems
