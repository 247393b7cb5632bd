"""The errors a user can cause and mend."""

from collections.abc import Sequence


class HistotileError(Exception):
    """A mistake in the input, told as: what it concerns, the fact, and the remedy.

    The command line prints it without a traceback and exits with 2.

    Args:
        subject: The file, slide or setting concerned.
        fact: What was found there.
        remedy: What the user can do about it.
        parts: The single mistakes, where `fact` tells of several: lists show one entry for each.
    """

    def __init__(self, subject: object, fact: str, remedy: str, parts: Sequence[str] = ()) -> None:
        self.subject = str(subject)
        self.fact = fact
        self.remedy = remedy
        self.parts = tuple(parts) or (fact,)
        super().__init__(f"{subject}: {fact}\n  Remedy: {remedy}")

    def __reduce__(
        self,
    ) -> tuple[type["HistotileError"], tuple[str, str, str, tuple[str, ...]]]:
        """Survive the way back from a worker process."""
        return type(self), (self.subject, self.fact, self.remedy, self.parts)
