"""What the pages need, gathered from a folder of results."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from histotile.config import Config, Report
from histotile.io import tables
from histotile.io.cohort import Cohort, CohortSlide
from histotile.io.tile_spec import TileSpec
from histotile.reports.accepted import Accepted
from histotile.reports.cohort.lost_tissue import lost_tissue
from histotile.reports.cohort.metrics_table import PICTURES
from histotile.reports.cohort.remarks import list_remarks
from histotile.reports.cohort.throughput import STAGES
from histotile.reports.cohort.unread_tiles import list_losses, loss_alarm, lost_share
from histotile.reports.facts import CohortFacts, SlideFacts, SlideSummary
from histotile.stages.accepted import find_accepted
from histotile.stages.files import read_bytes, read_familiarity, read_json, read_rows, read_text
from histotile.stages.provenance import gather_run, list_versions
from histotile.stages.scores import find_learning, read_score, scale_of, spelt
from histotile.strategy.entry import read_record
from histotile.strategy.record import Alarm, Decision, read_decision
from histotile.strategy.verification.regret import Verification
from histotile.tasks.registry import config_task
from histotile.trust.judging import Familiarity

if TYPE_CHECKING:
    import pyarrow as pa

LIBRARIES = (
    "histotile openslide-python openslide-bin tifffile imagecodecs simplejpeg pillow numba "
    "opencv-python-headless openvino onnxruntime torch timm albumentations"
)
MARKS = ("blur", "pen", "fold")
_PLACES = ("x", "y", *MARKS, "excluded")
TILE_SECTIONS = ("inspect", "mask", "tile", "aggregate", "heatmap")


@dataclass(frozen=True)
class SlideTiles:
    """The tile table of one slide.

    Args:
        footer: How its tile table was made, as pages show it.
        tiles: x, y, marks and reason of exclusion of every tile.
    """

    footer: Mapping[str, Any]
    tiles: "pa.Table"

    @property
    def spec(self) -> TileSpec:
        """Its slide, and the sizes of its tiles."""
        return TileSpec.of(self.footer)


class Gathered:
    """The artefacts of one run, read when asked for; what is not there is None or empty.

    Args:
        results: Folder laid out as the workflow lays it out.
        cohort: The slides, in the order of the pages.
        config: The settings of the run.
        settings: Title and number of top tiles.
    """

    def __init__(self, results: Path, cohort: Cohort, config: Config, settings: Report) -> None:
        self.results = results
        self.cohort = cohort
        self.config = config
        self.settings = settings
        self.shown_class = config.heatmap.class_name or config.classes[-1]
        self.task = config_task(config)
        self.scale = scale_of(self.task)

    def slide(self, slide: CohortSlide, pictured: bool = True) -> SlideFacts:
        """All facts of a slide but those that need the slide itself; see `slide_viewer`.

        Args:
            slide: One of the cohort.
            pictured: Read its pictures, too; else its thumbnail alone, if there is one.
        """
        known = self.tiles(slide.slide_id)
        thumbnail = read_bytes(self.results / "report/slides" / f"{slide.slide_id}.jpg")
        pictured = pictured or not thumbnail
        picture = self.results / "heatmap" / f"{slide.slide_id}.png"
        overlay = self.results / "mask" / f"{slide.slide_id}.overlay.jpg"
        is_mixed = len(slide.labels) > 1  # a group of tiles of several classes has no score
        row = None if is_mixed else self._scores.get(slide.slide_id)
        return SlideFacts(
            inspection=self._inspection(slide, known.spec if known else None),
            patient_id=slide.patient_id if self.cohort.has_patients else None,
            site=slide.site,
            label=spelt(slide.label, self.task),
            tiles=known.footer if known else None,
            marks=_marks(known.tiles) if known else {},
            score=read_score(row, self.task) if row else None,
            shown_class=self.shown_class,
            scale=self.scale,
            threshold=self.config.heatmap.threshold,
            heatmap=read_bytes(picture) if pictured else None,
            mask_overlay=read_bytes(overlay) if pictured else None,
            thumbnail=thumbnail,
            model_id=self._model_id(slide.slide_id),
            familiarity=self._familiarity(slide.slide_id),
            settings={name: getattr(self.config, name).model_dump() for name in TILE_SECTIONS},
            versions=self.versions,
            timings=self._timings(slide.slide_id),
            alarms=self._alarms(slide.slide_id),
            has_patients=self._has_patients(),
            accepted=[] if not pictured else self._accepted([slide.slide_id], slide.slide_id),
        )

    def tiles(self, slide_id: str) -> SlideTiles | None:
        """Its tile table; None if it was not tiled."""
        path = self.results / "tile" / f"{slide_id}.parquet"
        if not path.is_file():
            return None
        return SlideTiles(tables.read_footer(path), tables.read_table(path, list(_PLACES)))

    def predictions(self, slide_id: str) -> "pa.Table | None":
        """The prediction table of a slide; None if it was not predicted."""
        path = self.results / "predict" / f"{slide_id}.parquet"
        return tables.read_table(path) if path.is_file() else None

    def whole(self, slides: Sequence[SlideSummary]) -> CohortFacts:
        """All facts of the cohort."""
        evaluation = self._evaluation
        ledger = read_rows(self.results / "triage/slides.csv")
        of_images = self.cohort.of_images
        remarks = list_remarks(slides, ledger) if of_images else _losses(slides)
        labels_source = self.config.tile.labels.source if self._is_split else None
        losses = list_losses(self.results / "predict", [s.slide_id for s in self.cohort.slides])
        return CohortFacts(
            title=self.settings.title,
            slides=slides,
            shown_class=self.scale.label if self.scale else self.shown_class,
            metrics=evaluation.get("metrics", ()),
            metrics_missing=None if evaluation else "these slides were predicted, not evaluated",
            warnings=[*losses, *evaluation.get("warnings", ()), *remarks],
            confidence=self.config.evaluate.confidence,
            pictures=self._pictures(),
            curves={p.parent.name[len("fold") :]: p.read_text() for p in self._folds("curves.svg")},
            confusion=evaluation.get("confusion", ()),
            screening=evaluation.get("screening", ()),
            sites=evaluation.get("sites", ()),
            patients=evaluation.get("patients", ()),
            attention=evaluation.get("attention", ()),
            ledger=ledger,
            config_yaml=self._config_yaml(),
            versions=list_versions(),
            has_patients=self._has_patients(),
            labels_source="image" if of_images else labels_source,
            decision=self._decision,
            verification=self._verification,
            learning=find_learning(self.results) if self.config.aggregate.is_learnt else None,
            run=gather_run(self.results, self.config),
            accepted=self._accepted(slide.slide_id for slide in self.cohort.slides),
        )

    @cached_property
    def versions(self) -> Mapping[str, str]:
        """Library -> version, of what decides pixels and probabilities."""
        found = list_versions()
        return {name: found[name] for name in LIBRARIES.split() if name in found}

    def _alarms(self, slide_id: str) -> list[Alarm]:
        lost = loss_alarm(lost_share(self.results / "predict" / f"{slide_id}.parquet"))
        return [*([lost] if lost else []), *(self._decision.alarms if self._decision else [])]

    @cached_property
    def _decision(self) -> Decision | None:
        path = self.results / "decide/decision.json"
        return read_decision(path) if path.is_file() else None

    @cached_property
    def _verification(self) -> Verification | None:
        path = self.results / "verify/verification.json"
        return read_record(path, Verification, "verify") if path.is_file() else None

    @cached_property
    def _evaluation(self) -> Mapping[str, Any]:
        path = self.results / "evaluate/evaluation.json"
        return read_json(path) if path.is_file() else {}

    @cached_property
    def _scores(self) -> Mapping[str, Mapping[str, str]]:
        return {row["slide_id"]: row for row in read_rows(self.results / "aggregate/slides.csv")}

    def _inspection(self, slide: CohortSlide, spec: TileSpec | None) -> dict[str, Any]:
        """What `inspect` found; for a group of images, what `triage` found."""
        if not slide.labels:
            return read_json(self.results / "inspect" / f"{slide.slide_id}.json")
        known = {"slide_id": slide.slide_id, **self._ledger.get(slide.slide_id, {})}
        return known | {"mpp": spec.tile_mpp if spec else None, "mpp_source": "tile.mpp"}

    @cached_property
    def _ledger(self) -> Mapping[str, Mapping[str, str]]:
        return {row["slide_id"]: row for row in read_rows(self.results / "triage/slides.csv")}

    def _model_id(self, slide_id: str) -> str | None:
        path = self.results / "predict" / f"{slide_id}.parquet"
        if not path.is_file():
            return None
        return tables.name_models(tables.read_footer(path)["models"])

    def _familiarity(self, slide_id: str) -> Familiarity | None:
        path = self.results / "predict" / f"{slide_id}.parquet"
        return read_familiarity(path) if path.is_file() else None

    def _timings(self, slide_id: str) -> dict[str, dict[str, Any]]:
        paths = {name: self.results / name / f"{slide_id}.timing.json" for name in STAGES}
        return {name: read_json(path) for name, path in paths.items() if path.is_file()}

    def _accepted(self, slide_ids: Iterable[str], about: str | None = None) -> list[Accepted]:
        """What the user accepts; of one slide, only what is about it."""
        found = find_accepted(self.results, self.cohort, self.config.accept, slide_ids)
        return [one for one in found if about is None or about in one.slides]

    def _has_patients(self) -> bool | None:
        return self.cohort.has_patients if self._is_split else None

    @cached_property
    def _is_split(self) -> bool:
        return (self.results / "split/folds.csv").is_file()

    def _pictures(self) -> dict[str, str]:
        texts = {name: read_text(self.results / f"evaluate/{name}.svg") for name in PICTURES}
        return {name: text for name, text in texts.items() if text}

    def _folds(self, name: str) -> list[Path]:
        return sorted((self.results / "train").glob(f"fold*/{name}"))

    def _config_yaml(self) -> str:
        from histotile.config.yaml_file import render

        return render(self.config)


def _losses(slides: Sequence[SlideSummary]) -> list[str]:
    aside = {slide.slide_id: slide.set_aside.entries for slide in slides}
    return lost_tissue(aside, {slide.slide_id: slide.patient_id for slide in slides})


def _marks(table: "pa.Table") -> dict[str, int]:
    return {mark: int(table[mark].to_numpy().sum()) for mark in MARKS}
