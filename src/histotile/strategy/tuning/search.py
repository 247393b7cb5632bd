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
    attempt: Callable[[Values, int], Trial],
    tell: Callable[[list[Trial], bool], None],
) -> "tuple[Study, list[Trial]]":
    """All trials in order, those of an interrupted search of this name first.

    The first trial is the settings in force. What is proposed depends on the seed and the finished
    trials alone, so that a search that was interrupted goes on as if it had not been; and of more
    trials than are asked for, the first ones count.

    Args:
        storage: The journal.
        name: What the search is of; others in the journal do not count.
        space: What is searched.
        limits: Trials, hours after which none is begun or None, and seed.
        attempt: Tries values, as the trial of that number.
        tell: Called with the trials so far at the start, and with True once another one is kept.

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
    done = [_outcome(one) for one in _finished(study)]
    tell(done, False)
    while (counted := _enough(done, trials, max_hours)) is None:
        own = (seed * 100_003 + len(done)) % 2**32
        study.sampler = optuna.samplers.TPESampler(seed=own)
        waiting = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.WAITING,))
        if not done and not waiting:
            study.enqueue_trial({p.key: _default(p) for p in space})
        proposal = study.ask()
        outcome = attempt({p.key: _proposed(proposal, p) for p in space}, len(done))
        proposal.set_user_attr(_OUTCOME, outcome.model_dump())
        _tell(study, proposal.number, outcome)
        done.append(outcome)
        tell(done, True)
    if all(one.score is None for one in counted):
        fact = f"all {len(counted)} trials failed; the first: {counted[0].reason}"
        remedy = "try a lower learning rate: `histotile find-lr` suggests one"
        raise HistotileError("tune", fact, remedy)
    return study, counted


def _enough(done: list[Trial], trials: int, max_hours: float | None) -> list[Trial] | None:
    """The first trials that are as many, or took as long, as was asked for; None: more are due."""
    spent = 0.0
    for number, trial in enumerate(done, 1):
        spent += trial.seconds
        if number == trials or (max_hours and spent >= max_hours * 3600):
            return done[:number]
    return None


def _finished(study: "Study") -> "list[FrozenTrial]":
    return [one for one in study.get_trials(deepcopy=False) if _OUTCOME in one.user_attrs]


def _outcome(one: "FrozenTrial") -> Trial:
    return Trial.model_validate(one.user_attrs[_OUTCOME])


def _settle(study: "Study") -> None:
    """End what a killed process left running; a trial is finished once its outcome is written."""
    from optuna.trial import TrialState

    for one in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        _tell(study, one.number, _outcome(one) if _OUTCOME in one.user_attrs else None)


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
    study: "Study", space: Sequence[Parameter], trials: int
) -> tuple[dict[str, float] | None, str | None]:
    """Share of the scores' variance that each parameter explains (fANOVA), or why there is none.

    Args:
        study: As `search` gives it.
        space: What was searched.
        trials: The first ones that count.
    """
    import optuna
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    found = [one for one in _finished(study)[:trials] if one.value is not None]
    needed = _PER_PARAMETER * len(space)
    if len(found) < needed:
        return None, f"{len(found)} finished trials are too few for it: {needed} are needed"
    if len({one.value for one in found}) == 1:
        return None, "all trials have the same score"
    counted = optuna.create_study(direction="maximize")
    counted.add_trials(found)
    shares = get_param_importances(counted, evaluator=FanovaImportanceEvaluator(seed=0))
    return {key: float(share) for key, share in shares.items()}, None
