"""The decision as it is followed: not where the cohort leaks."""

from collections.abc import Collection, Mapping
from pathlib import Path

from histotile.errors import HistotileError
from histotile.io.findings import Finding, accept
from histotile.strategy.record import Decision, read_decision


def follow(path: Path, accepted: Mapping[str, str]) -> Decision:
    """The decision in a decision.json, as nothing may be trained or judged on a cohort that leaks.

    Args:
        path: What `decide` wrote.
        accepted: Ids of findings -> the user's reasons.

    Raises:
        HistotileError: It is none of this version, or tells of a leak that is not accepted.
    """
    decision = read_decision(path)
    if standing := standing_leaks(decision, accepted):
        facts = "; ".join(map(str, standing))
        remedy = f"{standing[0].remedy}; to go on all the same: decide.alarms.stop: false"
        raise HistotileError(path, facts, remedy)
    return decision


def standing_leaks(decision: Decision, accepted: Collection[str]) -> list[Finding]:
    """Leaks that stop training; none with `decide.alarms.stop: false`.

    Args:
        decision: Its alarms.
        accepted: Ids of findings that the user accepts.
    """
    standing, _ = accept([a.finding for a in decision.alarms if a.is_leak], accepted)
    return standing if decision.stop else []
