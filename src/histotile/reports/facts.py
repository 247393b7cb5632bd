"""What the pages tell: plain facts, gathered by the caller from files, pictures as bytes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from histotile.aggregation.learners.record import Learning
from histotile.reports.accepted import Accepted
from histotile.reports.images import Picture, TopTile, thumbnail
from histotile.reports.run_facts import RunFacts
from histotile.reports.set_aside import SetAside
from histotile.reports.slide.deepzoom import Pyramid
from histotile.reports.slide.viewer_data import Scene
from histotile.reports.wording import used_tiles
from histotile.strategy.record import Alarm, Decision
from histotile.strategy.verification.regret import Verification
from histotile.tasks.task import Layer
from histotile.trust.judging import Familiarity

if TYPE_CHECKING:
    from histotile.heatmaps.regions import Region

THUMBNAIL_PX = 108  # longer side: at most 3 kB each, of thousands in one page


@dataclass(frozen=True)
class SlideScore:
    """The score of a slide: one number of 0-1 per class (None without tiles), and the class chosen.

    Args:
        scores: Class -> score.
        pred: The class chosen, of scores whose logits `offsets` were added to.
        fold: Name of the fold whose model predicted the slide; any other word, or None, stands for
            the ensemble ("holdout": slide of the fixed test set; "new": none of the cohort).
        intervals: Class -> range of the score over resampled blocks of the slide's tissue; only
            classes that have one.
        calibrated: Class -> calibrated probability; empty before calibration.
    """

    scores: Mapping[str, float | None]
    pred: str | None = None
    fold: str | None = None
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    calibrated: Mapping[str, float] = field(default_factory=dict)
    offsets: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class SlideFacts:
    """Everything known of one slide.

    Args:
        inspection: As `slides.inspection.Inspection.to_json` gives it.
        tiles: Footer of the tile table; None if the slide was not tiled (quarantined).
        marks: Number of tiles per quality mark (blur, pen, fold), excluded or not.
        score: None where nothing was predicted.
        shown_class: Class of the heatmap and of the top tiles.
        scale: Of the number that a regression gives; None: classes have probabilities.
        threshold: Probability at which the heatmap's contour is drawn; of a number, its share of
            the scale.
        heatmap: Over the overview of the slide; for print, and where scripts are off.
        attention: Where the model looked, in a frame; None: the score is of no attention.
        mask_overlay: Outline of the tissue mask on the overview of the slide.
        thumbnail: A small JPEG made with the page of the slide; None: made from the heatmap.
        top_tiles: Most probable tiles of the shown class, first the most probable.
        uncertain_tiles: Tiles whose two most probable classes are closest, first the closest.
        regions: Areas of the shown class at the threshold, first the largest.
        scene: What the viewer lays over the slide; None: no viewer.
        picture: What the viewer shows: RGB of all, or a pyramid in a folder beside the page.
        model_id: Name of the model, or of the ensemble.
        familiarity: Whether it is like those the model was taught on; None: not predicted.
        settings: Section name -> settings; and `versions`: library -> version.
        timings: Stage (embed, predict) -> `Profiler.facts` and the engine.
        alarms: Of the decision that its model was trained by.
        has_patients: Whether folds were disjoint by patient; None where nothing was split.
        cohort_page: Link to the cohort page; None if there is none.
        accepted: Findings about this slide that the user accepts.
    """

    inspection: Mapping[str, Any]
    patient_id: str | None = None
    site: str | None = None
    label: str | None = None
    tiles: Mapping[str, Any] | None = None
    marks: Mapping[str, int] = field(default_factory=dict)
    score: SlideScore | None = None
    shown_class: str | None = None
    scale: Layer | None = None
    threshold: float | None = None
    heatmap: Picture | None = None
    attention: Picture | None = None
    mask_overlay: Picture | None = None
    thumbnail: bytes | None = None
    top_tiles: Sequence[TopTile] = ()
    uncertain_tiles: Sequence[TopTile] = ()
    regions: "Sequence[Region]" = ()
    scene: Scene | None = None
    picture: NDArray[np.uint8] | Pyramid | None = None
    model_id: str | None = None
    familiarity: Familiarity | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    timings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    alarms: Sequence[Alarm] = ()
    has_patients: bool | None = None
    cohort_page: str | None = "../index.html"
    accepted: Sequence[Accepted] = ()

    @property
    def slide_id(self) -> str:
        """The name of the slide in the cohort."""
        return str(self.inspection["slide_id"])

    @property
    def counts(self) -> Mapping[str, Any]:
        """Counts of tiles by reason, as the footer has them; empty if the slide was not tiled."""
        counts: Mapping[str, Any] = (self.tiles or {}).get("counts", {})
        return counts


@dataclass(frozen=True)
class SlideSummary:
    """One row of the cohort page: a slide without its large pictures."""

    slide_id: str
    verdict: str
    problem: str | None
    reason: str | None
    patient_id: str | None
    site: str | None
    label: str | None
    score: float | None
    pred: str | None
    mpp: float | None
    mpp_source: str | None
    counts: Mapping[str, Any]
    thumbnail: bytes | None
    fold: str | None = None
    scanner: str | None = None
    checksum: str | None = None
    tile_code: str | None = None
    model_id: str | None = None
    path: str | None = None
    timings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    set_aside: SetAside = field(default_factory=SetAside)
    familiarity: Familiarity | None = None

    @property
    def is_wrong(self) -> bool:
        """Whether the slide has a label and was called something else."""
        return bool(self.pred and self.label and self.pred != self.label)


def summarise_slide(facts: SlideFacts) -> SlideSummary:
    """The row of a slide on the cohort page; its picture is a thumbnail of the heatmap."""
    inspection = facts.inspection
    scores = facts.score.scores if facts.score else {}
    picture = facts.heatmap if facts.heatmap is not None else facts.mask_overlay
    return SlideSummary(
        slide_id=facts.slide_id,
        verdict=str(inspection.get("verdict", "ok")),
        problem=inspection.get("problem"),
        reason=inspection.get("reason"),
        patient_id=facts.patient_id,
        site=facts.site,
        label=facts.label,
        score=scores.get(facts.shown_class) if facts.shown_class else None,
        pred=facts.score.pred if facts.score else None,
        mpp=inspection.get("mpp"),
        mpp_source=inspection.get("mpp_source"),
        counts=facts.counts,
        thumbnail=facts.thumbnail
        or (None if picture is None else thumbnail(picture, THUMBNAIL_PX)),
        fold=facts.score.fold if facts.score else None,
        scanner=inspection.get("format") or inspection.get("vendor"),
        checksum=inspection.get("checksum"),
        tile_code=(facts.tiles or {}).get("code"),
        model_id=facts.model_id,
        path=inspection.get("path"),
        timings=facts.timings,
        set_aside=SetAside.of(facts.tiles),
        familiarity=facts.familiarity if used_tiles(facts.counts) else None,
    )


@dataclass(frozen=True)
class CohortFacts:
    """Everything known of a cohort.

    Args:
        title: Heading of the page.
        slides: One summary per slide, quarantined ones included, in cohort order.
        shown_class: Class whose score stands in the table.
        metrics: Rows of level, model, fold, metric, value, lower, upper, n, note, as the
            evaluation gives them; a value of None was not computed, and the note says why.
        metrics_missing: Why there are no metrics at all.
        warnings: Sentences of the evaluation a reader must see.
        confidence: Level of the intervals, e.g. 0.95.
        pictures: Drawings of the evaluation as SVG by name (`measures.PICTURES`), where there.
        curves: Fold -> training curves as SVG.
        confusion: Rows of level, model, fold, label, pred, count, as the evaluation gives them.
        screening: Rows of what the score would spare if it sorted slides, as the evaluation gives
            them.
        sites: Rows of measures site by site, as the evaluation gives them.
        patients: Rows of scores patient by patient, as the evaluation gives them.
        ledger: Rows of the triage ledger: slide_id, verdict, problem, reason, mpp, path, ...
        config_yaml: The configuration as it was read.
        versions: Library -> version.
        has_patients: Whether folds were disjoint by patient; None where nothing was split.
        labels_source: "annotation", "slide" or, of ready-made tiles in groups, "image"; or None.
        decision: Which strategy of transfer learning was chosen, and why.
        verification: What the other cells of the table achieve.
        learning: How slides were learnt, where they were.
        attention: Rows of what attention was held against, as the evaluation gives them.
        run: Settings, models, folds and code of the run.
        accepted: Findings that the user accepts.
    """

    title: str
    slides: Sequence[SlideSummary] = ()
    shown_class: str | None = None
    metrics: Sequence[Mapping[str, Any]] = ()
    metrics_missing: str | None = None
    warnings: Sequence[str] = ()
    confidence: float | None = None
    pictures: Mapping[str, str] = field(default_factory=dict)
    curves: Mapping[str, str] = field(default_factory=dict)
    confusion: Sequence[Mapping[str, Any]] = ()
    screening: Sequence[Mapping[str, Any]] = ()
    sites: Sequence[Mapping[str, Any]] = ()
    patients: Sequence[Mapping[str, Any]] = ()
    ledger: Sequence[Mapping[str, Any]] = ()
    config_yaml: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    has_patients: bool | None = None
    labels_source: str | None = None
    decision: Decision | None = None
    verification: Verification | None = None
    learning: Learning | None = None
    attention: Sequence[Mapping[str, Any]] = ()
    run: RunFacts = field(default_factory=RunFacts)
    accepted: Sequence[Accepted] = ()

    @property
    def unit(self) -> str:
        """What a row of `slides` is: a slide, or a group of ready-made tiles."""
        return "group" if self.labels_source == "image" else "slide"
