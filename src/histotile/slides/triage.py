"""Which slides of a cohort go on, and which mistakes must be mended first."""

from collections import defaultdict

from histotile.config import Inspect
from histotile.errors import HistotileError
from histotile.slides.inspection import Inspection

LEDGER = (
    "slide_id", "verdict", "problem", "reason", "mpp", "mpp_source", "checksum", "path", "warnings"
)  # fmt: skip


def triage(inspections: list[Inspection], settings: Inspect) -> list[dict[str, object]]:
    """One ledger row per slide, in the order given: its verdict, reason, mpp and checksum.

    Unreadable slides never stop the cohort; they stand in the ledger as quarantined.

    Args:
        inspections: What `inspect_slide` found, one per slide.
        settings: `unknown_mpp` says whether slides without a usable mpp stop the cohort.

    Raises:
        HistotileError: One slide file is listed under two names (equal checksum), or, with
            `unknown_mpp: stop`, slides have no usable mpp. All are named at once.
    """
    twice = _listed_twice(inspections)
    unknown = [i for i in inspections if i.problem == "mpp"]
    facts, remedies = [], []
    if unknown and settings.unknown_mpp == "stop":
        named = "".join(f"\n  {i.slide_id}: {i.reason} ({i.path})" for i in unknown)
        facts.append(f"{_slides(len(unknown))} without a usable mpp:{named}")
        remedies.append(
            "write their mpp (um per px at level 0) into the column `mpp` of the cohort file, "
            "accept those right as they stand (`accept: {id: reason}` in config.yaml), or set "
            "them aside with inspect.unknown_mpp: quarantine"
        )
    if twice:
        named = "".join(
            "\n  " + " = ".join(f"{i.slide_id} ({i.path})" for i in group) for group in twice
        )
        facts.append(f"the same slide file under several names (equal checksums):{named}")
        remedies.append("keep one row of each in the cohort file")
    if facts:
        raise HistotileError("cohort", "; ".join(facts), "; ".join(remedies))
    rows = ({column: getattr(i, column) for column in LEDGER} for i in inspections)
    return [row | {"warnings": "; ".join(row["warnings"])} for row in rows]


def _listed_twice(inspections: list[Inspection]) -> list[list[Inspection]]:
    by_checksum: dict[str, list[Inspection]] = defaultdict(list)
    for inspection in inspections:
        if inspection.checksum and inspection.problem != "unreadable":
            by_checksum[inspection.checksum].append(inspection)
    return [group for group in by_checksum.values() if len(group) > 1]


def _slides(count: int) -> str:
    return f"{count} slide{'s' if count != 1 else ''}"
