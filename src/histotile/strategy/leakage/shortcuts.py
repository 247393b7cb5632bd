"""Traits of slides that tell the label without the disease: site, scanner, file format, scale."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from histotile.strategy.leakage.confounding import (
    Association,
    associate,
    patient_labels,
    patient_traits,
)
from histotile.strategy.record import Alarm

if TYPE_CHECKING:
    from histotile.config import Alarms
    from histotile.strategy.evidence import Evidence

CERTAIN = 0.01  # p below which an association is reported
FEW = 20  # patients below which one that may be chance is reported, too
SHOWN = 5  # traits named

Name = Literal["site_label", "scanner_label", "format_label", "mpp_label"]


class _Kind(NamedTuple):
    """A kind of trait: the alarm's name, what it is called, and how a slide has one."""

    alarm: Name
    word: str
    has: str
    remedy: str


_APART = (
    "scan or export all labels alike, or keep to one {} per decision; compression and optics "
    "leave marks that networks see"
)
_KINDS = (
    _Kind(
        "site_label",
        "site",
        "comes from site",
        "set split.preserve_sites, so that scores come from unseen sites, and look for more "
        "patients of the missing label at each site",
    ),
    _Kind("scanner_label", "scanner", "was scanned by", _APART.format("scanner")),
    _Kind("format_label", "file format", "is a file of", _APART.format("format")),
    _Kind("mpp_label", "mpp", "has", _APART.format("mpp")),
)


@dataclass(frozen=True)
class Shortcut:
    """A kind of trait of this cohort's slides, and how it goes with the label."""

    kind: _Kind
    found: Association

    @property
    def name(self) -> Name:
        """Of its alarm."""
        return self.kind.alarm

    def alarm(self, classes: Sequence[str], settings: Alarms) -> Alarm | None:
        """An error where the trait tells every label, a warning where it may; None if neither.

        Where nearly every patient has a trait of their own, as a site with one patient, it tells
        the label by itself: then a shortcut cannot be excluded, and no more is said.
        """
        found, kind = self.found, self.kind
        if found.unknown > found.patients:
            return None
        if found.tells_all and found.is_shared:
            fact = f"{self._sentence(classes)}: what the network learns may be the {kind.word}"
            remedy = (
                f"no setting mends this, split.preserve_sites neither: add patients until every "
                f"{kind.word} shows every label, or judge the model on slides of one {kind.word} "
                "that shows them all; until then no score here says that the disease is recognised"
            )
            return Alarm(level="error", name=kind.alarm, fact=fact, remedy=remedy)
        strong = found.v > settings.max_association
        if strong and found.p < CERTAIN:
            fact = f"{kind.word} and label go together, {_described(found, classes)}"
            return Alarm(level="warning", name=kind.alarm, fact=fact, remedy=kind.remedy)
        if found.patients < FEW and (strong or found.tells_all):
            fact = (
                f"that {kind.word} and label go together cannot be excluded with "
                f"{found.patients} patients, {_described(found, classes)}"
            )
            return Alarm(level="warning", name=kind.alarm, fact=fact, remedy=kind.remedy)
        return None

    def note(self, settings: Alarms) -> str:
        """What is known of it in a sentence, where no alarm speaks of it."""
        word, (low, high) = self.kind.word, self.found.interval
        span = f"Cramer's V {low:.2f} to {high:.2f}, 95 %, {self.found.patients} patients"
        if self.is_harmless(settings):
            return f"{word.capitalize()} and label are unrelated here ({span})."
        return f"That {word} and label go together cannot be excluded ({span})."

    def is_harmless(self, settings: Alarms) -> bool:
        """Whether it was shown that the trait and the label have little to do with each other."""
        return self.found.interval[1] <= settings.max_association

    def _sentence(self, classes: Sequence[str]) -> str:
        """Which label has which traits: "every tumour slide comes from site south"."""
        found = self.found
        parts = [
            f"every {classes[c]} slide {self.kind.has} "
            + " or ".join(found.traits[k] for k in np.flatnonzero(found.table[:, c])[:SHOWN])
            for c in np.flatnonzero(found.table.sum(axis=0))[::-1]
        ]
        others = f" ({found.unknown} others: unknown)" if found.unknown else ""
        return f"{', '.join(parts)}, in all of {found.patients} patients{others}"


def find_shortcuts(
    evidence: Evidence, traits: Mapping[str, Mapping[str, str]], seed: int
) -> list[Shortcut]:
    """Every kind of trait that differs between patients, and how it goes with their labels.

    Args:
        evidence: The sample of labelled tiles, and their sites.
        traits: "scanner", "file format" and the like -> trait of each slide by slide_id.
        seed: Of permutations.
    """
    named = dict(_traits(evidence, traits))
    return [
        Shortcut(kind, found)
        for kind in _KINDS
        if kind.word in named and (found := _of_slides(evidence, named[kind.word], seed))
    ]


def site_shortcut(evidence: Evidence, seed: int) -> Shortcut | None:
    """How the site goes with the label; None where all patients have one site or one label."""
    return next(iter(find_shortcuts(evidence, {}, seed)), None)


def _traits(
    evidence: Evidence, traits: Mapping[str, Mapping[str, str]]
) -> Iterator[tuple[str, list[str]]]:
    """Kind of trait -> the trait of each tile's slide; "" is unknown."""
    if evidence.sites is not None:
        names = evidence.facts.get("site_names")
        if names is None:
            names = [f"{k + 1}" for k in range(int(evidence.sites.max()) + 1)]
        yield "site", [str(names[k]) for k in evidence.sites]
    slide_ids = evidence.facts.get("slide_ids")
    for word, of_slide in traits.items():
        if slide_ids is not None and of_slide:
            own = [of_slide.get(name, "") for name in slide_ids]
            yield word, [own[k] for k in evidence.slides]


def _of_slides(evidence: Evidence, of_tiles: Sequence[str], seed: int) -> Association | None:
    names = sorted({name for name in of_tiles if name})
    number = {name: k for k, name in enumerate(names)}
    if len(names) < 2:
        return None
    numbers = np.array([number.get(name, -1) for name in of_tiles])
    shape = (len(evidence.counts), len(names))
    told = patient_traits(evidence.patients, numbers, shape)
    return associate(told, names, patient_labels(evidence.counts), seed)


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
    low, high = association.interval
    return (
        f"Cramer's V {association.v:.2f} (95 % interval {low:.2f} to {high:.2f}, "
        f"p {shown_p(association.p)}). Patients: {rows}"
    )


def shown_p(p: float) -> str:
    """A p value for people: "= 0.012", "< 0.001"."""
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"
