"""Leaks and shortcuts of a cohort, with their numbers and what to do about them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histotile.config import Alarms
from histotile.decision.associations import (
    Association,
    StainShift,
    associate,
    bin_scales,
    compare_stain,
    patient_labels,
    patient_traits,
)
from histotile.decision.duplicates import Duplicates, HashedSlide, find_duplicates
from histotile.decision.evidence import Evidence
from histotile.decision.record import Alarm, Control, Estimate, Similarity

CERTAIN = 0.01  # p below which an association is reported
MORE_CERTAIN = 0.001  # and a shift of stain, which small differences between patients imitate
COLOUR_SOLVES = 0.9  # AUROC of colour alone that is an alarm whatever the network does
COLOUR_TELLS = 0.7  # least AUROC of colour alone for the network to be held against it
SITE_TELLS = 0.7  # AUROC of the site probe from which features know the site
SHOWN = 5  # worst examples named


@dataclass(frozen=True)
class AlarmFiles:
    """What alarms need to know of the slides beyond the sample of tiles.

    Args:
        hashed: All tiles of the cohort; empty where feature files hold no hashes.
        formats: File format by slide_id, as `describe_format` names it.
        mpp: Micrometres per level-0 px by slide_id.
    """

    hashed: Sequence[HashedSlide] = ()
    formats: Mapping[str, str] = field(default_factory=dict)
    mpp: Mapping[str, float] = field(default_factory=dict)


def describe_format(inspection: Mapping[str, Any]) -> str:
    """A slide's file format from what `inspect` wrote: its kind and the suffix of its name."""
    name = str(inspection["path"]).replace("\\", "/").rpartition("/")[2]
    stem, dot, suffix = name.rpartition(".")
    kind = str(inspection.get("vendor") or inspection["format"])
    return f"{kind} (.{suffix.lower()})" if stem and dot else kind


def find_alarms(
    evidence: Evidence,
    files: AlarmFiles,
    controls: Sequence[Control],
    similarity: Similarity,
    settings: Alarms,
    seed: int,
) -> list[Alarm]:
    """What makes scores on this cohort doubtful, errors first; empty for a clean cohort.

    Args:
        evidence: The sample of labelled tiles.
        files: All tiles' hashes, and the facts of the slide files.
        controls: Of which `colour` and `site` are read.
        similarity: Its last stage is what colour is held against.
        settings: Thresholds.
        seed: Of permutations and of the sample of features.
    """
    alarms = []
    if files.hashed:
        found = find_duplicates(files.hashed, settings.duplicate_cosine, seed)
        alarms += _near_duplicates(found, settings)
    scores = {control.name: control.score for control in controls}
    alarms += _sites(evidence, scores.get("site"), settings, seed)
    alarms += _files(evidence, files, settings, seed)
    shift = compare_stain(
        evidence.colour, evidence.labels, evidence.patients, evidence.counts, seed
    )
    alarms += _colour(scores.get("colour"), similarity.stages[-1].score, shift)
    return sorted(alarms, key=lambda alarm: alarm.level != "error")


def _near_duplicates(found: Duplicates, settings: Alarms) -> list[Alarm]:
    if not found.duplicated:
        return []
    whole = [pair for pair in found.pairs if pair.whole]
    worst = "; ".join(
        f"{p.first} ({p.patients[0]}) and {p.second} ({p.patients[1]}): "
        f"{'one slide under two names, ' if p.whole else ''}{p.tiles} tiles, {p.share:.0%}"
        for p in found.pairs[:SHOWN]
    )
    fact = (
        f"{found.duplicated} of {found.tiles} tiles ({found.share:.2%}) stand nearly the same "
        f"under another patient, in {len(found.pairs)} pair(s) of slides, of which {len(whole)} "
        f"whole. {worst}"
    )
    remedy = (
        "see whether these patients are one person or a slide was entered twice, give them one "
        "patient_id or drop one slide, and decide again"
    )
    grave = bool(whole) or found.share > settings.max_near_duplicates
    level = "error" if grave else "warning"
    return [Alarm(level=level, name="near_duplicates", fact=fact, remedy=remedy)]


def _sites(evidence: Evidence, probe: Estimate | None, settings: Alarms, seed: int) -> list[Alarm]:
    """Sites that go with the label; and features that know them, which alone is no alarm.

    Nearly all features tell laboratories apart. That misleads a classifier only where the sites
    also differ in how often they show a label.
    """
    if evidence.sites is None:
        return []
    names = _site_names(evidence.facts.get("site_names"), evidence.sites)
    known = np.where([bool(names[k]) for k in evidence.sites], evidence.sites, -1)
    traits = patient_traits(evidence.patients, known, (len(evidence.counts), len(names)))
    association = associate(traits, names, patient_labels(evidence.counts), seed)
    if association is None or not _tells(association, settings):
        return []
    remedy = (
        "set split.preserve_sites, so that scores come from unseen sites, and look for more "
        "patients of the missing label at each site"
    )
    fact = f"site and label go together, {_described(association, evidence.classes)}"
    alarms = [Alarm(level="warning", name="site_label", fact=fact, remedy=remedy)]
    if probe is not None and probe.value >= SITE_TELLS:
        fact = (
            f"features tell the site of unseen patients (AUROC {probe.value:.2f}), and site goes "
            "with the label: a head may learn the laboratory instead of the disease"
        )
        remedy = "set split.preserve_sites and raise train.augment.stain"
        alarms.append(Alarm(level="warning", name="site_features", fact=fact, remedy=remedy))
    return alarms


def _files(evidence: Evidence, files: AlarmFiles, settings: Alarms, seed: int) -> list[Alarm]:
    """File format and scale of the slides that go with the label."""
    alarms = []
    remedy = (
        "scan or export both labels alike, or keep to one {} per decision; compression and optics "
        "leave marks that networks see"
    )
    association = _of_slides(evidence, files.formats, seed)
    if association is not None and _tells(association, settings):
        fact = f"file format and label go together, {_described(association, evidence.classes)}"
        told = remedy.format("format")
        alarms.append(Alarm(level="warning", name="format_label", fact=fact, remedy=told))
    association = _of_slides(evidence, bin_scales(files.mpp), seed)
    if association is not None and _tells(association, settings):
        fact = f"mpp and label go together, {_described(association, evidence.classes)}"
        told = remedy.format("mpp")
        alarms.append(Alarm(level="warning", name="mpp_label", fact=fact, remedy=told))
    return alarms


def _of_slides(evidence: Evidence, traits: Mapping[str, str], seed: int) -> Association | None:
    """The association of a trait of slides with the label, by patient."""
    names = sorted(set(traits.values()))
    slide_ids = evidence.facts.get("slide_ids")
    if not names or slide_ids is None:
        return None
    number = {name: k for k, name in enumerate(names)}
    by_slide = np.array([number[traits[s]] if s in traits else -1 for s in slide_ids])
    shape = (len(evidence.counts), len(names))
    told = patient_traits(evidence.patients, by_slide[evidence.slides], shape)
    return associate(told, names, patient_labels(evidence.counts), seed)


def _colour(colour: Estimate | None, last: Estimate, shift: StainShift | None) -> list[Alarm]:
    """Colour as good as the network, or good enough to be a shortcut, or staining by label."""
    facts = []
    if shift is not None and shift.p < MORE_CERTAIN and shift.auroc >= COLOUR_TELLS:
        facts.append(
            f"background tissue of the {shift.diseased} diseased patients is stained otherwise "
            f"than that of the {shift.healthy} healthy ones: its mean colour tells them apart with "
            f"AUROC {shift.auroc:.2f} (p {_shown(shift.p)})"
        )
    error = 0.0 if last.low is None or last.high is None else (last.high - last.low) / 3.92
    rival = min(COLOUR_SOLVES, max(COLOUR_TELLS, last.value - error))
    if colour is not None and colour.value >= rival:
        facts.append(
            f"mean and spread of colour alone tell the label of unseen patients with AUROC "
            f"{colour.value:.2f}; the backbone's last stage reaches {last.value:.2f}"
        )
    remedy = (
        "compare slides of both labels side by side: if laboratory or staining differ, balance "
        "them and raise train.augment.stain; if the disease itself is darker, a network adds "
        "little to a measurement of colour"
    )
    if not facts:
        return []
    return [Alarm(level="warning", name="colour", fact="; ".join(facts), remedy=remedy)]


def _tells(association: Association, settings: Alarms) -> bool:
    return association.v > settings.max_association and association.p < CERTAIN


def _described(association: Association, classes: Sequence[str]) -> str:
    """Strength, and the traits that differ most from the whole, in patients by label."""
    table = association.table
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    order = np.argsort(-np.abs(table - expected).sum(axis=1), kind="stable")[:SHOWN]
    rows = "; ".join(
        f"{association.traits[k]}: "
        + ", ".join(f"{n:.3g} {name}" for n, name in zip(table[k], classes, strict=True))
        for k in order
    )
    return f"Cramer's V {association.v:.2f} (p {_shown(association.p)}). Patients: {rows}"


def _shown(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"


def _site_names(names: Sequence[str] | None, sites: NDArray[np.int64]) -> Sequence[str]:
    """Names behind numbers, made up where the cohort gives none; "" is an unknown site."""
    return [f"site {k + 1}" for k in range(int(sites.max()) + 1)] if names is None else names
