"""Findings that the user accepts, as the pages tell them."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Accepted:
    """A finding that the user accepts (`accept:` in config.yaml).

    Attributes:
        id: As it was printed.
        reason: The user's.
        facts: What was found, each time it was; empty: nothing reports it.
        slides: Slides it concerns, where it concerns single ones.
    """

    id: str
    reason: str
    facts: tuple[str, ...] = ()
    slides: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """In one sentence, for the terminal and the model card."""
        if not self.facts:
            return f"accepts {self.id}, which nothing reports"
        return f"accepted by the user ({self.reason}): [{self.id}] {'; '.join(self.facts)}"


def tell_accepted(accepted: Iterable[Accepted]) -> list[str]:
    """Sentences of all of them, those that nothing reports last."""
    return [one.line for one in sorted(accepted, key=lambda one: not one.facts)]
