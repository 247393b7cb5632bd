"""Lines of the model card, each a term, its value and a remark; None is left to a person."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from histotile.reports.accepted import tell_accepted
from histotile.reports.cohort.page import count_cohort
from histotile.reports.facts import CohortFacts
from histotile.reports.provenance import digest_cohort
from histotile.reports.tile_counts import add_counts
from histotile.reports.wording import count, known, mpp, used_tiles
from histotile.tasks.registry import read_task

Line = tuple[str, str | None, str | None]  # term, value (None: to be completed), remark

_LABELS = {
    "annotation": "outlines drawn on the slides; a tile takes the class that covers enough of it",
    "slide": "inherited: every tile carries the label of its slide (weak labels)",
    "image": "ready-made tiles, one label each",
}


def describe_model(facts: CohortFacts) -> list[Line]:
    """What the model is, what it gives, which version of it this is."""
    ids = ", ".join(str(model.get("model_id", "unknown")) for model in facts.run.models)
    pooling = section(facts, "aggregate").get("method")
    told = facts.run.models[0] if facts.run.models else {}
    output = "one probability per class and tile"
    if told.get("task") == "regression":
        output = f"one number per tile; {read_task(told)}"
    elif told.get("task") == "multilabel":
        output = "one probability per label and tile; labels do not exclude each other"
    if pooling:
        output += f"; of a slide, its tiles pooled by {pooling.replace('_', ' ')}"
    classes = facts.run.models[0].get("classes", []) if facts.run.models else []
    return [
        ("Models", ids or "unknown", "one per fold; new slides take the mean of all"),
        ("Classes", ", ".join(map(str, classes)) or "unknown", None),
        ("Output", output, None),
        ("Slides unlike those taught on", *_recognition(facts)),
        ("Made by", f"histotile {facts.versions.get('histotile', 'unknown')}", _commit(facts)),
        ("Date", facts.run.written or "unknown", "of this card"),
        ("Contact", None, None),
        ("Licence of the model", None, None),
    ]


def _recognition(facts: CohortFacts) -> tuple[str, str]:
    """Whether the models recognise what they were not taught, and how often they err."""
    taught = [model.get("taught") for model in facts.run.models]
    known = [entry for entry in taught if isinstance(entry, Mapping)]
    if not known:
        return "not recognised", "the models carry nothing to tell by"
    patients = min(int(entry["patients"]) for entry in known)
    rates = [entry["false_alarms"] for entry in known]
    rate = "too few to say how often a slide of the same kind is called foreign"
    if None not in rates:
        rate = f"at most {100 * max(rates):g} % of slides of the same kind are called foreign"
    told = "each slide is called familiar, unusual or foreign, with a distance"
    return told, f"limits from {count(patients)} held-out training patients: {rate}"


def describe_use(facts: CohortFacts) -> list[Line]:
    """What the model may be used for, and for what not."""
    scale = section(facts, "tile").get("mpp")
    like = f", read at {mpp(scale)}" if scale else ""
    return [
        (
            "Intended use",
            "Research: scores of tiles and slides as findings for review by a pathologist",
            f"on slides like those described under Data{like}",
        ),
        ("Intended users", None, None),
        ("Question it answers, and place in the work", None, None),
        (
            "Out of scope",
            "Any use in diagnosis or patient management",
            "and slides of other organs, stains, preparations or scanners than those described",
        ),
    ]


def describe_data(facts: CohortFacts) -> list[Line]:
    """Patients, slides, sites, scanners, scales and labels of the cohort."""
    counts = count_cohort(facts)
    totals = add_counts(slide.counts for slide in facts.slides)
    ok = [slide for slide in facts.slides if slide.verdict != "quarantined"]
    tiles = used_tiles(totals)
    sources = Counter(slide.mpp_source or "unknown" for slide in ok if known(slide.mpp))
    return [
        (
            "Patients",
            count(counts.patients) if counts.patients else "unknown",
            None if counts.patients else f"{facts.unit}s stand in for them",
        ),
        (
            f"{facts.unit.capitalize()}s",
            count(counts.ok),
            f"{count(counts.quarantined)} more were quarantined" if counts.quarantined else None,
        ),
        ("Tiles used", count(tiles), None),
        ("Labels", _LABELS.get(facts.labels_source or "", "none"), None),
        ("Balance of labels", shares(slide.label or "no label" for slide in ok), f"{facts.unit}s"),
        ("Sites", shares(slide.site or "unknown" for slide in ok), f"{facts.unit}s"),
        ("Formats and scanners", shares(slide.scanner or "unknown" for slide in ok), None),
        ("mpp", shares(mpp(slide.mpp) for slide in ok), f"from {shares(sources.elements())}"),
        *(("Finding", line, None) for line in tell_accepted(facts.accepted)),
        ("Digest of the files", digest_cohort(facts) or "unknown", "over their SHA-256"),
        ("Organ, stain, preparation", None, None),
        ("Who the patients are, and how they were chosen", None, None),
        ("Who labelled, and how it was checked", None, None),
        ("Dates, ethics, consent", None, None),
    ]


def describe_split(facts: CohortFacts) -> list[Line]:
    """Folds and what keeps them apart."""
    run, split = facts.run, section(facts, "split")
    if not run.folds:
        return [("Folds", "nothing was split", None)]
    roles = {
        role: " / ".join(str(fold.get(role, (0, 0))[0]) for fold in run.folds.values())
        for role in ("train", "val", "test")
    }
    unit = "patients" if facts.has_patients else f"{facts.unit}s, in place of unknown patients"
    fixed = len(split.get("test_patients", ()))
    return [
        ("Folds", f"{len(run.folds)}, disjoint by {unit}", f"table {run.split_digest}"),
        *((f"In {role}, fold by fold", text, "patients") for role, text in roles.items()),
        ("Sites kept whole", "yes" if split.get("preserve_sites") else "no", None),
        ("Fixed test set", f"{fixed} patients named in the settings" if fixed else "none", None),
    ]


def describe_decision(facts: CohortFacts) -> list[Line]:
    """The strategy of the decision table, and what it rests on."""
    d = facts.decision
    if d is None:
        return [("Strategy", "unknown", None)]
    effective = ", ".join(f"{c.name} {c.effective:.0f}" for c in d.size.classes)
    lines: list[Line] = [
        (
            "Strategy",
            d.strategy,
            f"{d.chosen_by}; the table says {d.table_strategy}" if d.forced else d.chosen_by,
        ),
        ("Size", d.size.verdict, join_reasons(d.size.reasons)),
        (
            "Likeness of tiles of one patient (ICC)",
            f"{d.size.icc:.2f}",
            "measured" if d.size.icc_source == "measured" else "assumed",
        ),
        ("Effective tiles", effective, "what so many correlated tiles are worth"),
        ("Features", d.similarity.words, join_reasons(d.similarity.reasons)),
    ]
    if facts.verification:
        reasons = join_reasons(facts.verification.reasons)
        lines.append(("Held against other strategies", facts.verification.headline, reasons))
    return lines


def describe_backbone(facts: CohortFacts) -> list[Line]:
    """Name, weights, digest and licence of the network below the head."""
    backbone, run = section(facts, "backbone"), facts.run
    model = run.models[0] if run.models else {}
    name = model.get("architecture", {}).get("name") or backbone.get("name") or "unknown"
    return [
        ("Backbone", str(name), None),
        ("Weights", str(backbone.get("weights", "unknown")), None),
        (
            "Digest of the weights",
            facts.decision.backbone_id if facts.decision else "unknown",
            None,
        ),
        ("Licence of the weights", run.backbone_licence, None),
    ]


def describe_training(facts: CohortFacts) -> list[Line]:
    """What was trained, how tiles were changed, with which seeds, and how long it took."""
    train, models = section(facts, "train"), facts.run.models
    augment = train.get("augment", {})
    changes = ", ".join(f"{k.replace('_', ' ')} {v}" for k, v in augment.items() if v != "off")
    weights = [
        f"{count(model['trained_weights'])} of {count(model['weights'])}"
        for model in models
        if "trained_weights" in model and "weights" in model
    ]
    kept = all(model.get("views") == 0 for model in models if "views" in model)
    is_cached = any("views" in model for model in models)
    note = None
    if is_cached:
        note = "not applied: features of unchanged tiles" if kept else "on copies of each tile"
    seconds = sum(float(model.get("seconds", 0)) for model in models)
    diagnoses = shares(str(m["diagnosis"]["verdict"]) for m in models if m.get("diagnosis"))
    return [
        ("Weights trained", " / ".join(dict.fromkeys(weights)) or "unknown", None),
        ("Augmentations", changes or "none", note),
        ("Rare classes weighted up", "yes" if train.get("class_weights") else "no", None),
        ("Diagnosis of the curves", diagnoses or "none", "folds"),
        ("Seeds", list_seeds(facts), None),
        ("Time of training", f"{seconds:.0f} s" if seconds else "unknown", "all folds together"),
        ("Hardware and energy", None, None),
    ]


def join_reasons(reasons: Sequence[str]) -> str | None:
    """Reasons as one remark; None without any."""
    return "; ".join(reason.rstrip(".") for reason in reasons) or None


def list_seeds(facts: CohortFacts) -> str:
    """Every seed of the settings, by section."""
    return ", ".join(f"{name} {seed}" for name, seed in facts.run.seeds.items()) or "unknown"


def shares(names: Any) -> str:
    """Each name with how often it comes, most first: "north 12, south 8"; "none" without any."""
    return ", ".join(f"{name} {count(n)}" for name, n in Counter(names).most_common()) or "none"


def section(facts: CohortFacts, name: str) -> Mapping[str, Any]:
    """A section of the run's settings; empty where they are unknown."""
    found: Mapping[str, Any] = facts.run.settings.get(name, {})
    return found


def _commit(facts: CohortFacts) -> str | None:
    return f"commit {facts.run.commit}" if facts.run.commit else None
