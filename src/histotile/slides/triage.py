"""Which slides of a cohort go on, and which mistakes must be mended first."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from histotile.config import Inspect
from histotile.errors import HistotileError
from histotile.io.findings import Finding, accept
from histotile.slides.inspection import Inspection
from histotile.slides.picture import find_same

LEDGER = (
    *("slide_id", "verdict", "problem", "reason", "mpp", "mpp_source", "checksum", "path"),
    "warnings",
)


def triage(
    inspections: Sequence[Inspection],
    settings: Inspect,
    accepted: Mapping[str, str] | None = None,
) -> list[dict[str, object]]:
    """One ledger row per slide, in the order given: its verdict, reason, mpp, checksum, warnings.

    Unreadable slides never stop the cohort; they stand in the ledger as quarantined.

    Args:
        inspections: What `inspect_slide` found, one per slide.
        settings: `unknown_mpp` says whether slides without a usable mpp stop the cohort.
        accepted: Ids of findings -> the user's reasons; accepted ones become warnings.

    Raises:
        HistotileError: One slide is listed under two names, or, with `unknown_mpp: stop`, slides
            have no usable mpp. All are named at once.
    """
    stops = {"mpp"} if settings.unknown_mpp == "stop" else set()
    unknown = [i for i in inspections if i.problem in stops]
    usable = [i for i in inspections if i.verdict == "ok" or i.problem in stops]
    standing, taken = accept(find_duplicates(usable), accepted or {})
    facts, remedies = [], []
    if unknown:
        named = "".join(f"\n  {i.slide_id}: {i.reason} ({i.path})" for i in unknown)
        facts.append(f"{_slides(len(unknown))} without a usable mpp:{named}")
        remedies.append(
            "write their mpp (um per px at level 0) into the column `mpp` of the cohort file, "
            "accept those right as they stand (`accept: {id: reason}` in config.yaml), or set "
            "them aside with inspect.unknown_mpp: quarantine"
        )
    if standing:
        named = "".join(f"\n  {finding}" for finding in standing)
        facts.append(f"the same slide under several names:{named}")
        remedies.append(
            "keep one row of each in the cohort file; where they are different slides after all, "
            "accept the finding: `accept: {id: reason}` in config.yaml"
        )
    if facts:
        raise HistotileError("cohort", "; ".join(facts), "; ".join(remedies))
    remarks = _remarks(taken, accepted or {})
    return [_row(i, [*i.warnings, *remarks.get(i.slide_id, ())]) for i in inspections]


def find_duplicates(inspections: Sequence[Inspection]) -> list[Finding]:
    """Slides that are listed more than once: as equal files, files of one series, or pictures.

    The subject of a finding is the ids, separated by " = ".
    """
    found = _finding_per_group(inspections, [i.series for i in inspections], _SERIES)
    in_files = [i for i in inspections if not i.series]
    found += _finding_per_group(in_files, [i.checksum for i in in_files], "equal files")
    pictured = [i for i in inspections if i.picture]
    proportions = [i.bounds[2] / i.bounds[3] for i in pictured]
    told = {frozenset(finding.key.split("\0")) for finding in found}
    for first, second, share in find_same([i.picture or "" for i in pictured], proportions):
        pair = pictured[first], pictured[second]
        if not any({i.slide_id for i in pair} <= group for group in told):
            fact = f"they show the same picture (differing by {share:.1%} of its contrast)"
            found.append(_finding(pair, fact))
    return found


_SERIES = (
    "files of one DICOM series, which is one slide: its label, overview and thumbnail are none"
)


def _finding_per_group(
    inspections: Sequence[Inspection], keys: Sequence[str | None], fact: str
) -> list[Finding]:
    groups: dict[str, list[Inspection]] = defaultdict(list)
    for inspection, key in zip(inspections, keys, strict=True):
        if key:
            groups[key].append(inspection)
    return [_finding(group, fact) for group in groups.values() if len(group) > 1]


def _finding(group: Sequence[Inspection], fact: str) -> Finding:
    ids = [i.slide_id for i in group]
    files = ", ".join(i.path for i in group)
    key = "\0".join(sorted(ids))
    return Finding("duplicate", key, " = ".join(ids), f"{fact}: {files}", "keep one row of them")


def _remarks(taken: Sequence[Finding], accepted: Mapping[str, str]) -> dict[str, list[str]]:
    remarks: dict[str, list[str]] = defaultdict(list)
    for finding in taken:
        for slide_id in finding.key.split("\0"):
            remarks[slide_id].append(f"{finding}; accepted by the user: {accepted[finding.id]}")
    return remarks


def _row(inspection: Inspection, warnings: Sequence[str]) -> dict[str, object]:
    row = {column: getattr(inspection, column) for column in LEDGER}
    return row | {"warnings": "; ".join(warnings) or None}


def _slides(count: int) -> str:
    return f"{count} slide{'s' if count != 1 else ''}"
