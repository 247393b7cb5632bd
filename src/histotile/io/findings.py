"""What is wrong or doubtful in the input, with an id by which the user may accept it."""

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from histotile.errors import HistotileError


@dataclass(frozen=True)
class Finding:
    """Something a person must mend, or accept by its id with a reason (`accept:` in config.yaml).

    Attributes:
        kind: In one word, e.g. "spelling", "scale", "level", "duplicate", "alarm".
        key: What it concerns, in words of the input; the id follows from kind and key alone, so
            that rewording a message, or another order of rows, leaves it as it is.
        subject: The file, slide, setting or rows concerned.
        fact: What was found there.
        remedy: What the user can do about it.
    """

    kind: str
    key: str
    subject: str
    fact: str
    remedy: str

    @property
    def id(self) -> str:
        """Kind and 8 hex digits, e.g. "spelling-1f0c77aa"."""
        digest = hashlib.sha256(f"{self.kind}\0{self.key}".encode()).hexdigest()
        return f"{self.kind}-{digest[:8]}"

    def __str__(self) -> str:
        return f"[{self.id}] {self.subject}: {self.fact}"


def accept(
    findings: Iterable[Finding], accepted: Collection[str]
) -> tuple[list[Finding], list[Finding]]:
    """The findings that stand, and those accepted by the user, in order.

    Args:
        findings: All of them.
        accepted: Ids, with or without the user's reasons.
    """
    every = list(findings)
    standing = [finding for finding in every if finding.id not in accepted]
    return standing, [finding for finding in every if finding.id in accepted]


def stop(subject: object, findings: Iterable[Finding]) -> None:
    """Nothing, or an error that names all of them with their ids and remedies.

    Args:
        subject: The file or setting they were found in.
        findings: Those that stand.

    Raises:
        HistotileError: There are any.
    """
    every = list(findings)
    if every:
        parts = [f"{finding}\n    {finding.remedy}" for finding in every]
        facts = "\n".join(f"  {part}" for part in parts)
        raise HistotileError(
            subject,
            f"{len(every)} finding{'s' if len(every) > 1 else ''}\n{facts}",
            "mend them; what is right as it stands can be accepted: `accept: {id: reason}` in "
            "config.yaml",
            parts,
        )
