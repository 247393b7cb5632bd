"""What a decision says before it names a strategy: an error, or that nothing was learnable."""

from collections.abc import Collection

from histotile.strategy.leakage.follow import standing_leaks
from histotile.strategy.record import Alarm, Decision

ALARMS = {
    "near_duplicates": "patients share tiles",
    "site_label": "the site tells the label",
    "scanner_label": "the scanner tells the label",
    "format_label": "the file format tells the label",
    "mpp_label": "the scale tells the label",
    "site_features": "features tell the site, which goes with the label",
    "colour": "colour alone tells the label",
    "lost_tiles": "tiles were lost",
}


def tell_first(decision: Decision, accepted: Collection[str]) -> str | None:
    """What comes before the strategy, without its full stop; None: nothing does."""
    errors = [alarm for alarm in decision.alarms if alarm.level == "error"]
    if errors:
        stops = bool(standing_leaks(decision, accepted))
        told = "; ".join(_name(alarm, accepted) for alarm in errors)
        return f"Training is stopped: {told}" if stops else f"Error: {told}"
    blind = decision.similarity.basis == "nothing"
    return "Nothing learnable was measured" if blind else None


def _name(alarm: Alarm, accepted: Collection[str]) -> str:
    is_accepted = alarm.is_leak and alarm.finding.id in accepted
    return ALARMS.get(alarm.name, alarm.name.replace("_", " ")) + (
        " (accepted by the user)" if is_accepted else ""
    )
