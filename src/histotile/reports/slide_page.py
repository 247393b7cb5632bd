"""The page of one slide."""

from histotile.reports.facts import SlideFacts
from histotile.reports.fates import covered_mm2, list_fates
from histotile.reports.rendering import list_banners, render
from histotile.results.aggregation import HOLDOUT

_INSPECTED = (
    "verdict problem reason path format vendor width height levels mpp mpp_source objective_power "
    "checksum warnings"
)
_TILED = "tile_mpp tile_px size_level0_px labels_source settings histotile code"
_COUNTED = "labels ignored_names excluded"


def render_slide_page(facts: SlideFacts) -> str:
    """One self-contained HTML page of a slide: heatmap, score, tiles, scale, provenance.

    What is missing (no score, no heatmap, a quarantined slide) is said, with the reason.
    """
    tiles = facts.tiles or {}
    return render(
        "slide.html",
        facts=facts,
        inspection={**dict.fromkeys(_INSPECTED.split()), **facts.inspection},
        tiles={**dict.fromkeys(_TILED.split()), **tiles},
        counts={**dict.fromkeys(_COUNTED.split()), **facts.counts},
        fates=list_fates(facts.counts),
        area_mm2=covered_mm2(tiles),
        banners=list_banners(facts.has_patients, tiles.get("labels_source")),
        predictor=_predictor(facts),
        quarantined=facts.inspection.get("verdict") == "quarantined",
    )


def _predictor(facts: SlideFacts) -> tuple[str, str | None]:
    """Which model predicted the slide, and whether it can have seen the slide in training."""
    fold = facts.score.fold if facts.score else None
    if fold == HOLDOUT:
        return "the ensemble of all folds", "fixed test set: none of them was trained on this slide"
    if fold is not None and fold.isdigit():
        return f"the model of fold {fold}", "never trained on this slide"
    return "the ensemble of all folds", None
