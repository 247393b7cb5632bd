"""The context of a decision: what it does without, and what each strategy costs."""

from pydantic import Field

from histotile.strategy.entry import Entry

ANY_LABEL = "any label"  # of tasks without exclusive classes


class Cost(Entry):
    """Hours that training all folds takes, to their last planned epoch."""

    hours: float = Field(description="Processor hours: one core of this machine")
    gpu_hours: float = Field(description="GPU hours elsewhere; those of a head are a processor's")


class LeftOut(Entry):
    """What the decision does without; slides of the fixed test set are no part of it."""

    tiles: dict[str, dict[str, int]] = Field(
        default={}, description="Class -> why a labelled tile is excluded -> tiles"
    )
    unlabelled: dict[str, int] = Field(default={}, description="Why a tile has no label -> tiles")
    slides: list[str] = Field(default=[], description="Quarantined")
    patients: list[str] = Field(
        default=[], description="Patients who vanish, or vanish from a class, and why: sentences"
    )

    def of_class(self, name: str) -> str:
        """Excluded tiles of a class by reason, e.g. "12 (10 blurred, 2 pen ink)"; or "0"."""
        every = self.tiles.get(ANY_LABEL, {})  # sides of a number have no tiles of their own
        why = self.tiles.get(name, every)
        told = ", ".join(f"{count} {reason}" for reason, count in why.items())
        of_all = ", of both" if why is every and every else ""
        return f"{sum(why.values())}{of_all} ({told})" if why else "0"
