"""The search: settings are proposed, tried and kept one by one; what is finished is never lost."""

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from histotile.errors import HistotileError
from histotile.strategy.tuning.record import Parameter, Trial

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import JournalStorage
    from optuna.trial import FrozenTrial
    from optuna.trial import Trial as Proposal

Values = dict[str, float]
_OUTCOME = "outcome"  # the attribute of a finished trial
_PER_PARAMETER = 3  # finished trials from which importance is shown


def search(
    storage: "JournalStorage",
    name: str,
    space: Sequence[Parameter],
    limits: tuple[int, float | None, int],
    attempt: Callable[[Values, list[Trial]], Trial],
) -> "tuple[Study, list[Trial]]":
    """All trials in order, those of an interrupted search of this name first.

    The first trial is the settings in force. What is proposed depends on the seed and the finished
    trials alone, so that a search that was interrupted goes on as if it had not been.

    Args:
        storage: The journal.
        name: What the search is of; others in the journal do not count.
        space: What is searched.
        limits: Trials, hours after which none is begun or None, and seed.
        attempt: Tries values; it is given the trials so far.

    Raises:
        HistotileError: All trials failed.
    """
    import optuna

    optuna.logging.set_verbosity(logging.WARNING)
    trials, max_hours, seed = limits
    study = optuna.create_study(
        storage=storage, study_name=name, direction="maximize", load_if_exists=True
    )
    _settle(study)
    while len(done := finished(study)) < trials:
        if done and max_hours and sum(one.seconds for one in done) >= max_hours * 3600:
            break
        study.sampler = optuna.samplers.TPESampler(seed=seed * 100_003 + len(done))
        waiting = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.WAITING,))
        if not done and not waiting:
            study.enqueue_trial({p.key: _default(p) for p in space})
        proposal = study.ask()
        outcome = attempt({p.key: _proposed(proposal, p) for p in space}, done)
        proposal.set_user_attr(_OUTCOME, outcome.model_dump())
        _tell(study, proposal.number, outcome)
    if all(one.score is None for one in done):
        fact = f"all {len(done)} trials failed; the first: {done[0].reason}"
        remedy = "try a lower learning rate: `histotile find-lr` suggests one"
        raise HistotileError("tune", fact, remedy)
    return study, done


def finished(study: "Study") -> list[Trial]:
    """The finished trials in order."""
    return [
        Trial.model_validate(one.user_attrs[_OUTCOME])
        for one in study.get_trials(deepcopy=False)
        if _OUTCOME in one.user_attrs
    ]


def _settle(study: "Study") -> None:
    """End what a killed process left running; a trial is finished once its outcome is written."""
    from optuna.trial import TrialState

    for one in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        outcome = one.user_attrs.get(_OUTCOME)
        _tell(study, one.number, Trial.model_validate(outcome) if outcome else None)


def _tell(study: "Study", number: int, outcome: Trial | None) -> None:
    from optuna.trial import TrialState

    if outcome is None or outcome.score is None:
        study.tell(number, state=TrialState.FAIL)
    else:
        study.tell(number, outcome.score)


def _default(parameter: Parameter) -> float:
    return int(parameter.default) if parameter.scale == "steps" else parameter.default


def _proposed(proposal: "Proposal", parameter: Parameter) -> float:
    if parameter.scale == "steps":
        return proposal.suggest_int(parameter.key, int(parameter.low), int(parameter.high))
    is_log = parameter.scale == "log"
    return proposal.suggest_float(parameter.key, parameter.low, parameter.high, log=is_log)


def recalled(
    storage: "JournalStorage", name: str, key: str, make: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    """What was made under this key in a study of this name; made now, and kept, if nothing was."""
    import optuna

    study = optuna.create_study(storage=storage, study_name=name, load_if_exists=True)
    kept: Sequence[FrozenTrial] = study.get_trials(deepcopy=False)
    for one in kept:
        if one.user_attrs["key"] == key:
            found: dict[str, Any] = one.user_attrs[_OUTCOME]
            return found
    made = make()
    state = optuna.trial.TrialState.FAIL
    attributes = {"key": key, _OUTCOME: made}
    study.add_trial(optuna.trial.create_trial(state=state, user_attrs=attributes))
    return made


def importance(
    study: "Study", space: Sequence[Parameter]
) -> tuple[dict[str, float] | None, str | None]:
    """Share of the scores' variance that each parameter explains (fANOVA), or why there is none."""
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    scores = [one.score for one in finished(study) if one.score is not None]
    needed = _PER_PARAMETER * len(space)
    if len(scores) < needed:
        return None, f"{len(scores)} finished trials are too few for it: {needed} are needed"
    if len(set(scores)) == 1:
        return None, "all trials have the same score"
    found = get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0))
    return {key: float(share) for key, share in found.items()}, None
