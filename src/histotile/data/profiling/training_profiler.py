"""Where the time of a training went."""

from __future__ import annotations

from typing import Any

from histotile.data.profiling.profiler import Profiler, share_of


class TrainingProfiler(Profiler):
    """As `Profiler`, of readers that also change tiles at random.

    On a GPU the shares are those of launching its work: to wait for it after each batch would cost
    time. Where the GPU is the slowest, its queue fills and launching stands still, which counts as
    computing.

    Attributes:
        augmenting_s: Seconds the readers spent on that, of `busy_s`.
    """

    augmenting_s = 0.0

    @property
    def bottleneck(self) -> Any:
        """As in `Profiler`, or "augmentation" where readers spend most of their time on that."""
        found = super().bottleneck
        if found in ("resampling", "decoding", "disk"):
            rest = self.busy_s - self.reading_s - self.decoding_s - self.augmenting_s
            if self.augmenting_s > max(self.reading_s, self.decoding_s, rest):
                return "augmentation"
        return found

    def facts(self) -> dict[str, Any]:
        """As in `Profiler`, with `augmenting_share` of the readers' time."""
        share = share_of(self.augmenting_s, self.readers * self.seconds)
        return {**super().facts(), "augmenting_share": share}

    def line(self) -> str:
        """As in `Profiler`, with that share."""
        share = self.facts()["augmenting_share"]
        return f"{super().line()}; changing tiles at random: {100 * share:.0f} % of reader time"
