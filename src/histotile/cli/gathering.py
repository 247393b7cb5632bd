"""What the pages need, gathered from a folder of results."""

import csv
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from histotile import __version__, tables
from histotile.cohort import Cohort, CohortSlide
from histotile.config import Config, Report
from histotile.decision.record import Decision, read_decision
from histotile.decision.verification import Verification
from histotile.reports.facts import (
    CohortFacts,
    SlideFacts,
    SlideScore,
    SlideSummary,
    TopTile,
)
from histotile.reports.remarks import list_remarks

if TYPE_CHECKING:
    import pyarrow as pa

LIBRARIES = ("openslide-python", "openslide-bin", "pillow", "torch", "timm", "albumentations")
TILE_SECTIONS = ("inspect", "mask", "tile", "aggregate", "heatmap")


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

    def slide(self, slide: CohortSlide) -> SlideFacts:
        """All facts of a slide."""
        footer, table, predictions = self._tables(slide.slide_id)
        is_mixed = len(slide.labels) > 1  # a group of tiles of several classes has no score
        score = None if is_mixed else self._score(slide.slide_id)
        return SlideFacts(
            inspection=self._inspection(slide, footer),
            patient_id=slide.patient_id if self.cohort.has_patients else None,
            site=slide.site,
            label=slide.label,
            tiles=footer,
            marks=_marks(table),
            score=score,
            shown_class=self.shown_class,
            threshold=self.config.heatmap.threshold,
            heatmap=_bytes(self.results / "heatmap" / f"{slide.slide_id}.png"),
            mask_overlay=_bytes(self.results / "mask" / f"{slide.slide_id}.overlay.jpg"),
            top_tiles=self._top_tiles(footer, predictions),
            model_id=self._model_id(slide.slide_id),
            settings={name: getattr(self.config, name).model_dump() for name in TILE_SECTIONS},
            versions=self.versions,
            has_patients=self._has_patients(),
        )

    def whole(self, slides: Sequence[SlideSummary]) -> CohortFacts:
        """All facts of the cohort."""
        evaluation = self._evaluation
        ledger = _rows(self.results / "triage/slides.csv")
        of_images = self.cohort.of_images
        remarks = list_remarks(slides, ledger) if of_images else []
        labels_source = self.config.tile.labels.source if self._is_split else None
        return CohortFacts(
            title=self.settings.title,
            slides=slides,
            shown_class=self.shown_class,
            metrics=evaluation.get("metrics", ()),
            metrics_missing=None if evaluation else "these slides were predicted, not evaluated",
            warnings=[*evaluation.get("warnings", ()), *remarks],
            confidence=self.config.evaluate.confidence,
            roc_svg=_text(self.results / "evaluate/roc.svg"),
            curves={
                p.parent.name.removeprefix("fold"): p.read_text() for p in self._folds("curves.svg")
            },
            confusion=evaluation.get("confusion", ()),
            ledger=ledger,
            config_yaml=self._config_yaml(),
            versions=self.versions,
            has_patients=self._has_patients(),
            labels_source="image" if of_images else labels_source,
            decision=self._decision,
            verification=self._verification,
        )

    @cached_property
    def versions(self) -> Mapping[str, str]:
        """Library -> version, of what decides pixels and probabilities."""
        return {"histotile": __version__} | {name: version(name) for name in LIBRARIES}

    @cached_property
    def _decision(self) -> Decision | None:
        text = _text(self.results / "decide/decision.json")
        return read_decision(text) if text else None

    @cached_property
    def _verification(self) -> Verification | None:
        text = _text(self.results / "verify/verification.json")
        return Verification.model_validate_json(text) if text else None

    @cached_property
    def _evaluation(self) -> Mapping[str, Any]:
        path = self.results / "evaluate/evaluation.json"
        return _json(path) if path.is_file() else {}

    @cached_property
    def _scores(self) -> Mapping[str, Mapping[str, str]]:
        return {row["slide_id"]: row for row in _rows(self.results / "aggregate/slides.csv")}

    def _inspection(self, slide: CohortSlide, footer: Mapping[str, Any] | None) -> dict[str, Any]:
        """What `inspect` found; for a group of images, what `triage` found."""
        if not slide.labels:
            return _json(self.results / "inspect" / f"{slide.slide_id}.json")
        known = {"slide_id": slide.slide_id, **self._ledger.get(slide.slide_id, {})}
        return known | {"mpp": footer["tile_mpp"] if footer else None, "mpp_source": "tile.mpp"}

    @cached_property
    def _ledger(self) -> Mapping[str, Mapping[str, str]]:
        return {row["slide_id"]: row for row in _rows(self.results / "triage/slides.csv")}

    def _score(self, slide_id: str) -> SlideScore | None:
        row = self._scores.get(slide_id)
        if row is None:
            return None
        scores = {name: float(row[f"score_{name}"] or "nan") for name in self.config.classes}
        return SlideScore(scores, row["pred"] or None, row["fold"] or None)

    def _tables(
        self, slide_id: str
    ) -> "tuple[Mapping[str, Any] | None, pa.Table | None, pa.Table | None]":
        tiles = self.results / "tile" / f"{slide_id}.parquet"
        predictions = self.results / "predict" / f"{slide_id}.parquet"
        return (
            tables.read_footer(tiles) if tiles.is_file() else None,
            tables.read_table(tiles) if tiles.is_file() else None,
            tables.read_table(predictions) if predictions.is_file() else None,
        )

    def _top_tiles(
        self, footer: Mapping[str, Any] | None, predictions: "pa.Table | None"
    ) -> list[TopTile]:
        if not (footer and predictions and predictions.num_rows and self.settings.top_tiles):
            return []
        from histotile.tiles.source import is_of_images, open_source

        if is_of_images(footer):  # groups have no page to show them on
            return []
        column = f"prob_{self.shown_class}"
        top = predictions.sort_by([(column, "descending"), ("tile_id", "ascending")])
        with open_source(footer) as source:
            return [
                TopTile(source.read(row["x"], row["y"], None), row[column], row["x"], row["y"])
                for row in top.slice(0, self.settings.top_tiles).to_pylist()
            ]

    def _model_id(self, slide_id: str) -> str | None:
        path = self.results / "predict" / f"{slide_id}.parquet"
        if not path.is_file():
            return None
        return tables.name_models(tables.read_footer(path)["models"])

    def _has_patients(self) -> bool | None:
        return self.cohort.has_patients if self._is_split else None

    @cached_property
    def _is_split(self) -> bool:
        return (self.results / "split/folds.csv").is_file()

    def _folds(self, name: str) -> list[Path]:
        return sorted((self.results / "train").glob(f"fold*/{name}"))

    def _config_yaml(self) -> str:
        from histotile.configfile import render

        return render(self.config)


def _marks(table: "pa.Table | None") -> dict[str, int]:
    if table is None:
        return {}
    return {mark: sum(bool(v) for v in table[mark].to_pylist()) for mark in ("blur", "pen", "fold")}


def _json(path: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return data


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))
