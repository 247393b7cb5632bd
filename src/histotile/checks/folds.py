"""The division into folds, made as `split` will make it."""

from histotile.checks.problem import Problem, attempt
from histotile.config import Config
from histotile.io.cohort import Cohort


def check_folds(cohort: Cohort, config: Config) -> list[Problem]:
    """Whether the patients can be divided; quarantined slides may still make it harder."""
    from histotile.splitting.splits import make_folds
    from histotile.splitting.strata import slide_strata
    from histotile.tasks.registry import config_task

    problems: list[Problem] = []
    patients = cohort.has_patients
    divided = attempt(
        problems, slide_strata, config_task(config), cohort.slides, config.split.folds
    )
    if divided is not None:
        classes, slides = divided
        attempt(problems, make_folds, slides, config.split, classes, patients)
    return problems
