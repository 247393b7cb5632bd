"""The page of one slide."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from histotile.aggregation.aggregate import HOLDOUT
from histotile.inference.engines.hardware import engine_words
from histotile.reports.cohort.throughput import number, reader_words
from histotile.reports.facts import SlideFacts
from histotile.reports.rendering import list_banners, render
from histotile.reports.set_aside import SetAside, list_lines, names_to_add
from histotile.reports.slide.deepzoom import Pyramid, embed_pyramid, plan_levels
from histotile.reports.slide.viewer_data import scene_json
from histotile.reports.tile_counts import covered_mm2, list_tile_counts
from histotile.reports.wording import known
from histotile.trust.judging import Familiarity
from histotile.trust.sentences import MEANING, tell, tell_rate

if TYPE_CHECKING:
    from histotile.heatmaps.regions import Region

MOST_BYTES = 25_000_000  # of a page: what mail and old laptops still bear
_INSPECTED = (
    "verdict problem reason path format vendor width height levels mpp mpp_source objective_power "
    "checksum warnings"
)
_TILED = "reason tile_mpp tile_px size_level0_px labels_source settings histotile code"
_COUNTED = "labels excluded"


@dataclass(frozen=True)
class RegionRow:
    """A region as the table on the page tells it.

    Args:
        number: From 1, the largest first.
        area_mm2: None where the slide's mpp is unknown.
        max: Highest probability in it.
        mean: Mean probability of its cells.
        x: Centre of its most probable cell, level-0 px.
        y: Likewise.
    """

    number: int
    area_mm2: float | None
    max: float
    mean: float
    x: float
    y: float


def render_slide_page(facts: SlideFacts) -> str:
    """One HTML page of a slide: viewer, score, regions, tiles, scale, provenance.

    It is self-contained, but for pictures in a folder beside it where `facts.picture` says so, and
    at most 25 MB: an embedded picture shrinks to what the rest of the page leaves. What is missing
    (no score, no heatmap, a quarantined slide) is said, with the reason.
    """
    if facts.scene is None or facts.picture is None:
        return _fill(facts, None)
    if isinstance(facts.picture, Pyramid):
        return _fill(facts, scene_json(facts.scene, facts.picture))
    height, width = facts.picture.shape[:2]
    bare = Pyramid(width, height, plan_levels(width, height))
    rest = len(_fill(facts, scene_json(facts.scene, bare)).encode("utf-8"))
    picture = embed_pyramid(facts.picture, MOST_BYTES - rest)
    return _fill(facts, scene_json(facts.scene, picture))


def list_regions(regions: "Iterable[Region]") -> list[RegionRow]:
    """The rows of the table of regions, in the order given."""
    return [
        RegionRow(n, r.area_mm2, r.max_probability, r.mean_probability, *r.peak)
        for n, r in enumerate(regions, 1)
    ]


def _fill(facts: SlideFacts, scene: Markup | None) -> str:
    tiles, aside = facts.tiles or {}, SetAside.of(facts.tiles)
    return render(
        "slide.html",
        facts=facts,
        inspection={**dict.fromkeys(_INSPECTED.split()), **facts.inspection},
        tiles={**dict.fromkeys(_TILED.split()), **tiles},
        counts={**dict.fromkeys(_COUNTED.split()), **facts.counts},
        tile_counts=list_tile_counts(facts.counts),
        set_aside=list_lines([aside], is_cohort=False),
        names_to_add=names_to_add([aside]),
        familiarity=_told(facts),
        tell=tell,
        tell_rate=tell_rate,
        meaning=MEANING,
        area_mm2=covered_mm2(tiles),
        banners=list_banners(
            facts.has_patients,
            tiles.get("labels_source") if facts.label else None,  # without a label, none inherited
        ),
        alarms=facts.alarms,
        predictor=_predictor(facts),
        quarantined=facts.inspection.get("verdict") == "quarantined",
        regions=list_regions(facts.regions),
        scene_json=scene,
        engine_words=engine_words,
        reader_words=reader_words,
        number=number,
    )


def _told(facts: SlideFacts) -> Familiarity | None:
    """The familiarity of a slide that has a score to be trusted or not."""
    scores = facts.score.scores.values() if facts.score else ()
    return facts.familiarity if any(map(known, scores)) else None


def _predictor(facts: SlideFacts) -> tuple[str, str | None]:
    """Which model predicted the slide, and whether it can have seen the slide in training."""
    fold = facts.score.fold if facts.score else None
    if fold == HOLDOUT:
        return "the ensemble of all folds", "fixed test set: none of them was trained on this slide"
    if fold is not None and fold.isdigit():
        return f"the model of fold {fold}", "never trained on this slide"
    return "the ensemble of all folds", None
