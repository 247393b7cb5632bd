"""Which slides and patients lose more than half of their tissue before a tile is cut."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from histotile.io.ledger import Entry, largest

_MOST, _NAMED = 0.5, 10
_REMEDY = "look at the mask overlays; where that is tissue, set mask.exclude_pen to false"


def lost_tissue(
    ledgers: Mapping[str, Sequence[Entry]], patients: Mapping[str, str | None]
) -> list[str]:
    """Sentences that name them, with the largest cause; empty if there are none.

    A patient's loss is the mean of that of the patient's slides.

    Args:
        ledgers: Slide -> what was set aside of it; empty if nothing was.
        patients: Slide -> patient; None where unknown.
    """
    lost = {
        slide: sum(e.share or 0.0 for e in ledger if e.kind == "tissue")
        for slide, ledger in ledgers.items()
    }
    of_patient: dict[str, list[float]] = defaultdict(list)
    for slide, share in lost.items():
        patient = patients.get(slide)
        if patient is not None:
            of_patient[patient].append(share)
    slides = [f"{s} ({_cause(ledgers[s])})" for s, share in lost.items() if share > _MOST]
    people = [p for p, shares in of_patient.items() if sum(shares) > _MOST * len(shares)]
    return [
        f"More than half of the stained area was set aside of {_listed(names, unit)}: {_REMEDY}."
        for names, unit in ((slides, "slide"), (people, "patient"))
        if names
    ]


def _cause(ledger: Sequence[Entry]) -> str:
    entry = largest(ledger, "tissue")
    return f"{100 * (entry.share or 0.0):.0f} % {entry.reason}" if entry else ""


def _listed(names: Sequence[str], unit: str) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    word = unit if len(names) == 1 else f"{unit}s"
    return f"{len(names)} {word}: {', '.join(names[:_NAMED])}{more}"
