"""Leaks and shortcuts of a cohort, with their numbers and what to do about them."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from histotile.config import Alarms
from histotile.strategy.entry import Estimate
from histotile.strategy.evidence import Evidence
from histotile.strategy.leakage.confounding import StainShift, bin_scales, compare_stain
from histotile.strategy.leakage.near_duplicates import Duplicates
from histotile.strategy.leakage.shortcuts import find_shortcuts, shown_p
from histotile.strategy.leakage.suggested_groups import are_scattered
from histotile.strategy.record import Alarm, Baseline, Similarity

MORE_CERTAIN = 0.001  # p below which a shift of stain is told: patients differ anyway
COLOUR_SOLVES = 0.9  # AUROC of colour alone that is an alarm whatever the network does
COLOUR_TELLS = 0.7  # least AUROC of colour alone for the network to be compared with it
SITE_TELLS = 0.7  # AUROC of the site probe from which features know the site
SHOWN = 5  # worst examples named
KEYED = 64  # pairs of slides written into a key

SCATTERED = (
    "keep one tile of each source, or group all copies by their source: column `group` of "
    "groups.csv beside the decision, which for a cohort of tiles is a cohort file as it stands; "
    "copies for training belong into train.augment, after the split"
)
FEW = (
    "see whether these patients are one person or a slide was entered twice, give them one "
    "patient_id (groups.csv beside the decision does) or drop one slide, and decide again"
)


@dataclass(frozen=True)
class AlarmFiles:
    """What alarms need to know of the slides beyond the sample of tiles.

    Args:
        duplicates: Those among all tiles of the cohort; None: none were sought.
        formats: File format by slide_id, as `describe_format` names it.
        mpp: Micrometres per level-0 px by slide_id.
        scanners: What scanned them by slide_id, where the files say.
    """

    duplicates: Duplicates | None = None
    formats: Mapping[str, str] = field(default_factory=dict)
    mpp: Mapping[str, float] = field(default_factory=dict)
    scanners: Mapping[str, str] = field(default_factory=dict)

    def traits(self) -> dict[str, Mapping[str, str]]:
        """Kind of trait -> that of each slide, for `find_shortcuts`."""
        scales = bin_scales(self.mpp)
        return {"scanner": self.scanners, "file format": self.formats, "mpp": scales}

    def notes(self) -> list[str]:
        """How far copies were sought, where that is not everywhere."""
        found = self.duplicates
        if found is None or found.searched == found.tiles:
            return []
        return [
            f"Copies that are turned, cropped or shifted were sought among {found.searched:,} of "
            f"{found.tiles:,} tiles, those on the same grid among all."
        ]


def describe_format(inspection: Mapping[str, Any]) -> str:
    """A slide's file format from what `inspect` wrote: its kind and the suffix of its name."""
    name = str(inspection["path"]).replace("\\", "/").rpartition("/")[2]
    stem, dot, suffix = name.rpartition(".")
    kind = str(inspection.get("vendor") or inspection["format"])
    return f"{kind} (.{suffix.lower()})" if stem and dot else kind


def find_alarms(
    evidence: Evidence,
    files: AlarmFiles,
    baselines: Sequence[Baseline],
    similarity: Similarity,
    settings: Alarms,
    seed: int,
) -> list[Alarm]:
    """What makes scores on this cohort doubtful, errors first; empty for a clean cohort.

    Args:
        evidence: The sample of labelled tiles.
        files: Near duplicates, and the facts of the slide files.
        baselines: Of which `colour` and `site` are read.
        similarity: Colour is compared with its last stage.
        settings: Thresholds.
        seed: Of permutations.
    """
    alarms = []
    if files.duplicates is not None:
        alarms += _near_duplicates(files.duplicates, settings)
    scores = {baseline.name: baseline.score for baseline in baselines}
    shortcuts = find_shortcuts(evidence, files.traits(), seed)
    told = [shortcut.alarm(evidence.classes, settings) for shortcut in shortcuts]
    alarms += [alarm for alarm in told if alarm is not None]
    alarms += _features(scores.get("site"), alarms)
    shift = None
    if evidence.task is None or evidence.task.is_exclusive:  # else there is no background
        shift = compare_stain(
            evidence.colour, evidence.labels, evidence.patients, evidence.counts, seed
        )
    alarms += _colour(scores.get("colour"), similarity, shift)
    return sorted(alarms, key=lambda alarm: alarm.level != "error")


def _near_duplicates(found: Duplicates, settings: Alarms) -> list[Alarm]:
    if not found.pairs:
        return []
    whole = [pair for pair in found.pairs if pair.whole]
    worst = "; ".join(
        f"{p.first} ({p.patients[0]}) and {p.second} ({p.patients[1]}): "
        f"{'one slide under two names, ' if p.whole else ''}{p.tiles} tiles, {p.share:.0%}"
        for p in found.pairs[:SHOWN]
    )
    scattered = are_scattered(found)
    copies = (
        f": {found.origins} sources hold these tiles, as augmented copies do that were made before "
        "the tiles were grouped"
    )
    part = f" (among {found.searched} of them, where they are turned or cropped)"
    fact = (
        f"{found.duplicated} of {found.tiles} tiles ({found.share:.2%}) stand nearly the same "
        f"under another patient{part if found.searched < found.tiles else ''}, in "
        f"{len(found.pairs)} pair(s) of slides, of which {len(whole)} "
        f"whole{copies if scattered else ''}. {worst}"
    )
    remedy = SCATTERED if scattered else FEW
    grave = bool(whole) or found.share > settings.max_near_duplicates
    level = "error" if grave else "warning"
    names = " ".join(sorted(f"{p.first}={p.second}" for p in found.pairs))
    many = len(found.pairs) > KEYED
    key = hashlib.sha256(names.encode()).hexdigest() if many else names
    return [Alarm(level=level, name="near_duplicates", key=key, fact=fact, remedy=remedy)]


def _features(probe: Estimate | None, shortcuts: Sequence[Alarm]) -> list[Alarm]:
    """Features that know the site, which alone is no alarm.

    Nearly all features tell laboratories apart. That misleads a classifier only where the sites
    also differ in how often they show a label.
    """
    goes = any(alarm.name == "site_label" for alarm in shortcuts)
    if not goes or probe is None or probe.value < SITE_TELLS:
        return []
    fact = (
        f"features tell the site of unseen patients (AUROC {probe.value:.2f}), and site goes "
        "with the label: a head may learn the laboratory instead of the disease"
    )
    remedy = "set split.preserve_sites and raise train.augment.stain"
    return [Alarm(level="warning", name="site_features", fact=fact, remedy=remedy)]


def _colour(
    colour: Estimate | None, similarity: Similarity, shift: StainShift | None
) -> list[Alarm]:
    """Colour as good as the network, or good enough to be a shortcut, or staining by label."""
    last = similarity.stages[-1].score
    facts = []
    if shift is not None and shift.p < MORE_CERTAIN and shift.auroc >= COLOUR_TELLS:
        facts.append(
            f"background tissue of the {shift.diseased} diseased patients is stained otherwise "
            f"than that of the {shift.healthy} healthy ones: its mean colour tells them apart with "
            f"AUROC {shift.auroc:.2f} (p {shown_p(shift.p)})"
        )
    error = 0.0 if last.low is None or last.high is None else (last.high - last.low) / 3.92
    rival = min(COLOUR_SOLVES, max(COLOUR_TELLS, last.value - error))
    if colour is not None and colour.value >= rival:
        facts.append(
            f"mean and spread of colour alone tell the label of unseen patients with "
            f"{similarity.score_name} {colour.value:.2f}; the backbone's last stage reaches "
            f"{last.value:.2f}"
        )
    remedy = (
        "compare slides of both labels side by side: if laboratory or staining differ, balance "
        "them and raise train.augment.stain; if the disease itself is darker, a network adds "
        "little to a measurement of colour"
    )
    if not facts:
        return []
    return [Alarm(level="warning", name="colour", fact="; ".join(facts), remedy=remedy)]
