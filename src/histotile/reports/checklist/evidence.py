"""What a run can say to the items of a reporting guideline, each with where it stands in full."""

from dataclasses import dataclass

from histotile.aggregation.aggregate import HOLDOUT
from histotile.reports.cohort.metrics_table import Comparison, compare, headline, value_text
from histotile.reports.cohort.page import count_cohort
from histotile.reports.facts import CohortFacts
from histotile.reports.model_card.lines import section
from histotile.reports.provenance import digest_cohort
from histotile.reports.tile_counts import add_counts
from histotile.reports.wording import count, interval, known, measure, mpp, used_tiles

_PROVENANCE = "index.html#provenance"


@dataclass(frozen=True)
class Evidence:
    """A fact of the run, and the link (relative to the folder of pages) to all of it."""

    text: str
    link: str


def gather_evidence(facts: CohortFacts) -> dict[str, Evidence]:
    """Key -> what this run says; keys the run is silent on are left out."""
    texts = {
        **_of_data(facts),
        **_of_model(facts),
        **_of_training(facts),
        **_of_results(facts),
    }
    return {key: Evidence(*said) for key, said in texts.items() if said[0]}


def describe_scans(facts: CohortFacts) -> str:
    """Formats and scales of the slides that count, as words; empty where unknown."""
    ok = [s for s in facts.slides if s.verdict != "quarantined"]
    scanners = sorted({s.scanner for s in ok if s.scanner})
    scales = sorted({mpp(s.mpp) for s in ok if known(s.mpp)})
    shown = scales if len(scales) <= 4 else [scales[0], "…", scales[-1]]
    return "; ".join(part for part in (", ".join(scanners), ", ".join(shown)) if part)


def describe_cohort(facts: CohortFacts) -> str:
    """How many slides, patients and sites count, as words."""
    counts = count_cohort(facts)
    parts = [f"{count(counts.ok)} {facts.unit}s"]
    if counts.patients:
        parts.append(f"{count(counts.patients)} patients")
    if counts.sites:
        parts.append(f"{count(counts.sites)} sites")
    return ", ".join(parts)


def describe_split(facts: CohortFacts) -> str:
    """How the folds were divided, as words; empty where nothing was."""
    if not facts.run.folds:
        return ""
    unit = "patient" if facts.has_patients else facts.unit
    text = f"{len(facts.run.folds)} folds, disjoint by {unit}"
    if section(facts, "split").get("preserve_sites"):
        text += " and by site"
    return text


def _of_data(facts: CohortFacts) -> dict[str, tuple[str, str]]:
    counts = count_cohort(facts)
    totals = add_counts(slide.counts for slide in facts.slides)
    tiles = ""
    if "tiles" in totals:
        tiles = (
            f"{count(used_tiles(totals))} of {count(totals['grid'])} tiles used, others by reason"
        )
    labels = {
        "annotation": "from annotations, by share of overlap",
        "slide": "inherited from slides",
        "image": "of ready-made tiles",
    }
    tile, digest = section(facts, "tile"), digest_cohort(facts)
    preparation = f"tiles of {tile['tile_px']} px at {mpp(tile['mpp'])}" if tile else ""
    return {
        "use": ("generated statement", "model_card.html#use"),
        "cohort": (describe_cohort(facts), "index.html#slides"),
        "sites": (f"{counts.sites} sites" if counts.sites else "", "model_card.html#data"),
        "quarantine": (
            f"{count(counts.quarantined)} of {count(counts.slides)} {facts.unit}s set aside, "
            "with reasons",
            "index.html#quarantine",
        ),
        "rejected": (tiles, "index.html#rejected"),
        "preparation": (preparation, "index.html#provenance"),
        "scans": (describe_scans(facts), "model_card.html#data"),
        "labels": (labels.get(facts.labels_source or "", ""), "index.html#labels"),
        "checksums": (f"checksums of the files, together {digest}" if digest else "", _PROVENANCE),
    }


def _of_model(facts: CohortFacts) -> dict[str, tuple[str, str]]:
    run, backbone = facts.run, section(facts, "backbone")
    model = run.models[0] if run.models else {}
    ids = ", ".join(str(m.get("model_id", "unknown")) for m in run.models)
    weights = f"{backbone['name']}, {backbone['weights']}" if backbone else ""
    name = model.get("architecture", {}).get("name")
    pooling = section(facts, "aggregate").get("method", "").replace("_", " ")
    commit = f"histotile {facts.versions.get('histotile', 'unknown')}, commit {run.commit}"
    return {
        "model": (f"{name} with a linear head" if name else "", "model_card.html#learning"),
        "backbone": (weights, "model_card.html#learning"),
        "ensemble": (
            f"mean of the folds' probabilities; models {ids}" if ids else "",
            "model_card.html#identity",
        ),
        "output": (
            f"a probability per class and tile; pooled by {pooling}" if pooling else "",
            "model_card.html#identity",
        ),
        "software": (f"{len(facts.versions)} versions", _PROVENANCE)
        if facts.versions
        else ("", ""),
        "code": (commit if run.commit else "", _PROVENANCE),
        "heatmaps": ("probability maps over each slide", "index.html#slides")
        if facts.unit == "slide"
        else ("", ""),
    }


def _of_training(facts: CohortFacts) -> dict[str, tuple[str, str]]:
    decision, verification, train = facts.decision, facts.verification, section(facts, "train")
    size = ""
    if decision:
        size = f"{decision.size.verdict}: " + ", ".join(
            f"{c.effective:.0f} effective tiles of {c.name}" for c in decision.size.classes
        )
    weighted = "rare classes weighted up" if train.get("class_weights") else "no weighting"
    split = describe_split(facts)
    return {
        "split": (split, "model_card.html#split"),
        "disjoint": (
            ("patient" if facts.has_patients else f"{facts.unit}; patients unknown")
            if split
            else "",
            "model_card.html#split",
        ),
        "size": (size, "../decide/index.html#size"),
        "training": (
            f"strategy {decision.strategy}, {decision.chosen_by}" if decision else "",
            "../decide/index.html#training",
        ),
        "selection": (
            "smallest loss on data kept from training" if facts.run.models else "",
            "index.html#curves",
        ),
        "imbalance": (weighted if train else "", _PROVENANCE),
        "baselines": (
            f"{len(decision.baselines)} baselines beside the decision" if decision else "",
            "../decide/index.html#baselines",
        ),
        "verification": (
            f"choice compared with other strategies: {verification.headline}"
            if verification
            else "",
            "../verify/index.html",
        ),
    }


def _of_results(facts: CohortFacts) -> dict[str, tuple[str, str]]:
    comparisons = compare(facts.metrics)
    heads = headline(comparisons)
    measured = "; ".join(_headline_words(c) for c in heads)
    evaluate = section(facts, "evaluate")
    calibrated = any(c.metric == "ece" for c in comparisons)
    holdout = any(c.fold == HOLDOUT for c in comparisons)
    intervals = f"{100 * facts.confidence:g} % intervals" if facts.confidence else ""
    return {
        "measures": (measured, "index.html#measures"),
        "uncertainty": (
            f"{intervals} from {count(evaluate['bootstraps'])} resamples of patients"
            if evaluate and measured
            else "",
            "index.html#measures",
        ),
        "calibration": (
            "calibration measured" if calibrated else "",
            "model_card.html#calibration",
        ),
        "by_site": (
            f"measures of {len({row['site'] for row in facts.sites})} sites" if facts.sites else "",
            "index.html#sites",
        ),
        "failures": (
            f"{count(sum(s.is_wrong for s in facts.slides))} {facts.unit}s called wrongly"
            if facts.confusion
            else "",
            "index.html#slides",
        ),
        "external": ("fixed test set of the cohort" if holdout else "", "index.html#result"),
        "distribution": ("no rule tells unlike slides apart", "model_card.html#distribution"),
        "limits": ("generated list", "model_card.html#limits"),
    }


def _headline_words(comparison: Comparison) -> str:
    row = comparison.network
    ends = interval(row["lower"], row["upper"]) if row and known(row["value"]) else ""
    name = f"{comparison.level} {measure(comparison.metric)}{comparison.where}"
    return f"{name} {value_text(row)}" + (f" ({ends})" if ends else "")
