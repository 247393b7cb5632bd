"""Whether the best strategy does better than colour alone, random weights, and guessing."""

from collections.abc import Mapping, Sequence

from pydantic import Field

from histotile.config import Verify
from histotile.strategy.entry import Entry, Estimate
from histotile.strategy.similarity_rule import estimate
from histotile.strategy.verification.comparison import Comparison, Scores, resample

RANDOM_WEIGHTS = "random_weights"
SKLEARN = "sklearn"
NAMES = {
    "colour": "colour alone",
    RANDOM_WEIGHTS: "a linear probe on random weights",
    SKLEARN: "plain scikit-learn on the cached features",
}
HEADS = ("linear_probe", "early_probe")  # on cached features, unless the latter trains a tail


class Gap(Entry):
    """How far the best strategy lies above a baseline, on the tiles that both judged."""

    baseline: str
    strategy: str
    difference: Estimate = Field(description="Strategy minus baseline; patients resampled in pairs")
    tiles: int
    trains_layers: bool = Field(default=False, description="Whether the strategy does")

    @property
    def is_open(self) -> bool:
        """Whether the strategy may be no better than the baseline.

        A head may equal scikit-learn, which is one on the same features; it may not be worse.
        """
        if self.baseline == SKLEARN and self.strategy in HEADS and not self.trains_layers:
            return self.is_behind
        return self.difference.low is None or self.difference.low <= 0

    @property
    def is_behind(self) -> bool:
        """Whether the strategy is certainly worse than the baseline."""
        return self.difference.high is not None and self.difference.high < 0

    @property
    def told(self) -> str:
        """What the interval says, in three digits."""
        low, high = self.difference.low, self.difference.high
        if low is None or high is None:
            return "too few patients to tell"
        if round(high, 3) < 0:
            return "certainly worse"
        if round(low, 3) > 0:
            return "certainly better"
        return "the interval holds zero: the baseline may do as well"

    @property
    def verb(self) -> str:
        """What the baseline does, beside the strategy."""
        return "does better than" if self.is_behind else "may do as well as"


def gaps(
    table: Mapping[str, Mapping[str, Comparison]],
    best: str,
    baselines: Sequence[str],
    settings: Verify,
) -> list[Gap]:
    """The best strategy against each baseline.

    Args:
        table: Strategy or baseline -> fold -> what it says.
        best: The strategy.
        baselines: Their names.
        settings: Resamples, seed.
    """
    found = []
    for name in baselines:
        theirs = {fold: c.common(table[best][fold]) for fold, c in table[name].items()}
        theirs = {fold: c for fold, c in theirs.items() if len(c.labels)}
        if not theirs:
            continue
        ours = {fold: table[best][fold].common(c) for fold, c in theirs.items()}
        one, other = resample(ours, settings), resample(theirs, settings)
        difference = estimate(one.value - other.value, one.inside - other.inside)
        tiles = sum(len(c.labels) for c in ours.values())
        trained = any(c.trains_layers for c in ours.values())
        facts = {"baseline": name, "strategy": best, "difference": difference, "tiles": tiles}
        found.append(Gap(**facts, trains_layers=trained))
    return found


def tell_gaps(against: Sequence[Gap], best: Scores | None, chance: float) -> list[str]:
    """Sentences on what the best strategy may be no better than; empty where it is better."""
    found = []
    if best is not None:
        score = estimate(best.value, best.inside)
        if score.low is None or score.low <= chance:
            found.append(
                f"no strategy certainly does better than guessing ({chance:g}): the best reaches "
                f"{_told(score)}"
            )
    return found + [
        f"{NAMES.get(gap.baseline, gap.baseline)} {gap.verb} {gap.strategy}, the best "
        f"strategy, which lies {_told(gap.difference, '+')} above it"
        for gap in against
        if gap.is_open
    ]


def _told(number: Estimate, sign: str = "") -> str:
    if number.low is None or number.high is None:
        return f"{number.value:{sign}.3f} (too few patients for an interval)"
    return f"{number.value:{sign}.3f} (95 % {number.low:{sign}.3f} to {number.high:{sign}.3f})"
