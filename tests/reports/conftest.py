"""A cohort on paper: facts as the command line gathers them, and a strict reader of pages."""

import io
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from histotile.reports.facts import CohortFacts, SlideFacts, SlideScore, summarise_slide
from histotile.reports.images import TopTile
from histotile.reports.run_facts import RunFacts
from histotile.strategy.record import Decision

VOID = {"meta", "link", "img", "br", "hr", "input"}


class Page(HTMLParser):
    """The elements of a page as (tag, attributes), its text, and what is wrong with it."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.faults: list[str] = []
        self.rows: list[list[str]] = []  # of all tables: the texts of their cells
        self.terms: dict[str, str] = {}  # of all lists of facts
        self._open: list[str] = []
        self.feed(html)
        self.close()
        self.faults += [f"<{tag}> is never closed" for tag in self._open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        if len(names) != len(set(names)):
            self.faults.append(f"<{tag}> has an attribute twice: {names}")
        self.elements.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        elif tag == "dt":
            self._term = ""
        elif tag == "dd":
            self.terms[self._term] = ""
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.faults.append(f"</{tag}> at {self.getpos()} closes another element")

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] not in {"style", "script"}:
            self.words.append(data)
            words = " ".join(data.split())
            if "dt" in self._open:
                self._term = f"{self._term} {words}".strip()
            elif "dd" in self._open:
                self.terms[self._term] = f"{self.terms[self._term]} {words}".strip()
            elif {"td", "th"} & set(self._open):
                self.rows[-1][-1] = f"{self.rows[-1][-1]} {words}".strip()

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def row(self, *first: str) -> list[str]:
        """The cells behind these first cells of a row; the row must be the only one."""
        found = [row for row in self.rows if row[: len(first)] == list(first)]
        assert len(found) == 1, (first, self.rows)
        return found[0][len(first) :]

    def count(self, name: str) -> int:
        """Elements of this CSS class."""
        return sum(name in str(found.get("class")).split() for _, found in self.elements)

    def values(self, attribute: str, tag: str | None = None) -> list[str]:
        return [
            str(attributes[attribute])
            for name, attributes in self.elements
            if attribute in attributes and tag in (None, name)
        ]


@pytest.fixture
def read() -> Callable[[str], Page]:
    """Reads a page and fails unless its elements nest."""

    def read_page(html: str) -> Page:
        page = Page(html)
        assert not page.faults
        return page

    return read_page


@pytest.fixture(scope="session")
def picture() -> bytes:
    """A PNG of 400 x 300 px."""
    rgb = np.random.default_rng(0).integers(0, 255, (300, 400, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def make_slide(picture: bytes) -> Callable[..., SlideFacts]:
    """Facts of a predicted slide: 1,234 tiles used, 40 + 2 excluded, 2,724 without tissue."""

    def make(slide_id: str = "slide_1", **changes: Any) -> SlideFacts:
        facts = SlideFacts(
            inspection={
                "slide_id": slide_id,
                "path": f"slides/{slide_id}.svs",
                "verdict": "ok",
                "problem": None,
                "reason": None,
                "vendor": "aperio",
                "width": 46000,
                "height": 32914,
                "levels": [{"width": 46000, "height": 32914, "downsample": 1.0}],
                "mpp": 0.49912,
                "mpp_source": "openslide.mpp-x",
                "checksum": "5f3c2f0e" * 8,
                "warnings": ["the TIFF tags say another mpp"],
            },
            patient_id="P7",
            site="North",
            label="healthy",
            tiles={
                "tile_mpp": 1.0,
                "tile_px": 200,
                "stride_px": 200,
                "labels_source": "annotation",
                "settings": {"min_tissue_fraction": 0.37},
                "counts": {
                    "grid": 4000,
                    "no_tissue": 2724,
                    "tiles": 1276,
                    "excluded": {"pen": 40, "unreadable": 2},
                    "labels": {"healthy": 1100, "lesion": 100, "none": 76},
                    "ignored_names": {},
                },
            },
            marks={"blur": 31, "pen": 40, "fold": 5},
            score=SlideScore({"healthy": 0.1234, "lesion": 0.8766}, "lesion", "3"),
            shown_class="lesion",
            threshold=0.5,
            heatmap=picture,
            mask_overlay=picture,
            top_tiles=[TopTile(np.zeros((32, 32, 3), np.uint8), 0.9871, 12345, 67890)],
            model_id="resnet18-3f9a",
            versions={"torch": "2.13.0"},
            has_patients=True,
        )
        return replace(facts, **changes)

    return make


@pytest.fixture
def make_quarantined() -> Callable[..., SlideFacts]:
    """Facts of a slide that could not be read."""

    def make(slide_id: str = "broken", **changes: Any) -> SlideFacts:
        inspection = {
            "slide_id": slide_id,
            "path": f"slides/{slide_id}.svs",
            "verdict": "quarantined",
            "problem": "unreadable",
            "reason": "incomplete bitstream at level 0",
        }
        return replace(SlideFacts(inspection), **changes)

    return make


@pytest.fixture
def make_empty(make_slide: Callable[..., SlideFacts]) -> Callable[..., SlideFacts]:
    """Facts of a slide without tissue: a grid, and no tile."""

    def make(slide_id: str = "pale") -> SlideFacts:
        counts = {"grid": 900, "no_tissue": 900, "tiles": 0, "excluded": {}, "labels": {}}
        return make_slide(
            slide_id,
            tiles={"labels_source": "annotation", "counts": counts},
            score=SlideScore({"healthy": None, "lesion": None}),
            heatmap=None,
            marks={},
            top_tiles=(),
        )

    return make


def metric(level: str, model: str, fold: str, name: str, *numbers: float | None) -> dict[str, Any]:
    value, lower, upper = numbers or (None, None, None)
    keys = {"level": level, "model": model, "fold": fold, "metric": name}
    note = "one class only" if value is None else None
    return keys | {"value": value, "lower": lower, "upper": upper, "n": 24, "note": note}


@pytest.fixture
def metrics() -> list[dict[str, Any]]:
    """Rows as the evaluation writes them: mean, two folds, one of them undefined, a holdout."""
    return [
        metric("tile", "network", "mean", "auroc", 0.9531, 0.9212, 0.9743),
        metric("tile", "network", "0", "auroc", 0.9642, 0.9101, 0.9888),
        metric("slide", "network", "mean", "auroc", 0.9376, 0.8511, 0.9901),
        metric("slide", "network", "mean", "balanced_accuracy", 0.8817, 0.8, 0.93),
        metric("slide", "network", "1", "auroc"),
        metric("slide", "network", "holdout", "auroc", 0.8123, 0.7, 0.9),
        metric("tile", "colour", "mean", "auroc", 0.5834, 0.5107, 0.6406),
        metric("tile", "colour", "0", "auroc", 0.5555, 0.4, 0.7),
        metric("slide", "colour", "mean", "auroc"),
        metric("tile", "network-colour", "mean", "auroc_difference", 0.3697, 0.31, 0.42),
    ]


@pytest.fixture
def make_cohort(
    make_slide: Callable[..., SlideFacts],
    make_quarantined: Callable[..., SlideFacts],
    make_empty: Callable[..., SlideFacts],
    metrics: list[dict[str, Any]],
) -> Callable[..., CohortFacts]:
    """Facts of four slides: two predicted, one without tissue, one quarantined."""

    def make(**changes: Any) -> CohortFacts:
        slides = [
            make_slide("slide_1"),
            make_slide("slide_2", patient_id="P8", label="lesion"),
            make_empty("pale"),
            make_quarantined("broken"),
        ]
        facts = CohortFacts(
            title="Demo",
            slides=[summarise_slide(facts) for facts in slides],
            shown_class="lesion",
            metrics=metrics,
            confidence=0.95,
            ledger=[dict(facts.inspection) for facts in slides],
            config_yaml="classes: [healthy, lesion]\n",
            versions={"torch": "2.13.0"},
            has_patients=True,
            labels_source="annotation",
        )
        return replace(facts, **changes)

    return make


@pytest.fixture
def run() -> RunFacts:
    """How a run of two folds was made."""
    augment = {"orientation": "d4", "stain": "light", "erasing": "off"}
    model = {
        "histotile": "0.1",
        "classes": ["healthy", "lesion"],
        "strategy": "linear_probe",
        "architecture": {"name": "resnet18"},
        "trained_weights": 1026,
        "weights": 11177538,
        "diagnosis": {"verdict": "good fit"},
        "views": 0,
        "torch": "2.13.0",
        "seconds": 12.4,
    }
    return RunFacts(
        settings={
            "backbone": {"name": "resnet18", "weights": "imagenet"},
            "tile": {"mpp": 0.5, "tile_px": 224},
            "split": {"test_patients": [], "preserve_sites": True, "seed": 3},
            "train": {"augment": augment, "class_weights": True, "seed": 7},
            "aggregate": {"method": "top_k"},
            "evaluate": {"bootstraps": 2000, "seed": 0},
        },
        settings_digest="5e771465d16e",
        commit="c0ffee+",
        code="c0de",
        models=[model | {"model_id": "aaa0"}, model | {"model_id": "bbb1"}],
        folds={
            "0": {"train": (9, 14), "val": (2, 2), "test": (5, 8)},
            "1": {"train": (8, 11), "val": (2, 5), "test": (6, 8)},
        },
        split_digest="f01d",
        written="2026-01-01T00:00:00+00:00",
    )


@pytest.fixture
def evaluated() -> dict[str, Any]:
    """What an evaluation adds for screening, sites and patients, as it writes them."""
    key = {"level": "slide", "model": "network", "n": 24, "n_positive": 12}
    ends = {"lower": 0.4, "upper": 0.9, "note": "optimistic"}
    metric = "sensitivity_at_specificity_0.90"
    site = {"fold": "mean", "slides": 12, "patients": 7, "tile_auroc": 0.876}
    site |= {"tile_auroc_lower": 0.811, "tile_auroc_upper": 0.922, "slide_auroc": None}
    site["slide_auroc_note"] = "one class only"
    patient = {"label": "healthy", "pred": "lesion", "score": 0.7654, "fold": "0"}
    patient |= {"slides": 2, "tiles": 1234}
    return {
        "screening": [
            {**key, **ends, "fold": "mean", "metric": metric, "value": 0.789},
            {**key, **ends, "fold": "0", "metric": metric, "value": 0.123},
        ],
        "sites": [{"site": "<b>North</b>", **site}, {"site": None, **site}],
        "patients": [{"patient_id": "P<i>7", **patient}],
    }


DECISION: dict[str, Any] = {
    "histotile": "0.1",
    "research_use": "Research use only.",
    "created": "2026-01-01T00:00:00+00:00",
    "classes": ["healthy", "tumour"],
    "backbone": "resnet18 (imagenet)",
    "backbone_id": "0123456789ab",
    "tiles": 312,
    "labelled_tiles": 640,
    "left_out": {},
    "patients": 21,
    "has_patients": True,
    "strategy": "early_probe",
    "stages": [2],
    "last_stage": 4,
    "table_strategy": "early_probe",
    "forced": False,
    "size": {
        "verdict": "small",
        "counts_as": "small",
        "icc": 0.41,
        "icc_source": "measured",
        "classes": [
            {"name": "healthy", "tiles": 320, "patients": 12, "effective": 27.0},
            {"name": "tumour", "tiles": 320, "patients": 9, "effective": 21.0},
        ],
        "reasons": ["tumour has 21 effective tiles, fewer than 100"],
    },
    "similarity": {
        "verdict": "different",
        "basis": "measured",
        "stages": [
            {
                "stage": n,
                "name": f"layer{n}",
                "weights": 1000 * 4**n,
                "score": {"value": v, "low": v - 0.05, "high": v + 0.04},
                "random_score": {"value": 0.74},
                "knn": 0.7,
                "logme": -0.5,
            }
            for n, v in enumerate((0.81, 0.88, 0.84, 0.79), 1)
        ],
        "best_stage": 2,
        "early_stages": [2],
        "shortfall": {"value": 0.09, "low": 0.04, "high": 0.13},
        "gain": {"value": 0.12, "low": 0.02, "high": 0.2},
        "depth_sufficient": False,
        "gain_sufficient": False,
        "reasons": ["the last stage lies 0.09 below stage 2"],
    },
    "budget": [
        {
            "strategy": s,
            "trained_weights": t,
            "frozen_weights": 600,
            "dropped_weights": 400,
            "effective_per_weight": 21 / t,
            "allowed_weights": 24,
            "chosen": s == "early_probe",
        }
        for s, t in (
            ("linear_probe", 1026),
            ("early_probe", 258),
            ("finetune", 11000),
            ("retrain", 11000),
        )
    ],
    "training": ["Stages 1 and 2 are frozen (0.68 million weights); later stages are dropped."],
    "costs": {},
    "cost_basis": None,
    "max_hours": None,
    "counterfactuals": ["40 patients and 250 effective tiles per class: retraining"],
    "baselines": [
        {
            "name": "colour",
            "score": {"value": 0.74, "low": 0.66, "high": 0.8},
            "meaning": "what mean colour alone tells",
        }
    ],
    "alarms": [],
    "stop": True,
    "position": {"x": -1.2, "y": -0.8, "strategy": "early_probe"},
    "bootstrap": [],
    "frequencies": {"linear_probe": 0.09, "early_probe": 0.86, "finetune": 0.01, "retrain": 0.04},
    "folds": [
        {
            "fold": "fold0",
            "strategy": "early_probe",
            "stages": [2],
            "table_strategy": "early_probe",
            "early_stages": [2],
            "basis": "measured",
        }
    ],
    "thresholds": {"size.small_neff": 100.0, "size.borderline": "small"},
    "notes": [],
    "seconds": 12.0,
}


@pytest.fixture
def make_decision() -> Callable[..., Decision]:
    """Makes a decision of a small, different cohort, with a bootstrap, changed as asked for."""
    return _make_decision


def _make_decision(**changes: Any) -> Decision:
    rng = np.random.default_rng(0)
    places = rng.normal((-1.2, -0.7), (0.4, 0.5), (200, 2))
    bootstrap = [
        {"x": x, "y": y, "strategy": "early_probe" if y < 0 else "linear_probe"} for x, y in places
    ]
    return Decision.model_validate(DECISION | {"bootstrap": bootstrap} | changes)


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Any]:
    """A headless Chromium with logs of console and network."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("chromium and chromedriver are not installed (see tests/install_debian.sh)")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
        f"--user-data-dir={tmp_path / 'profile'}",
    ):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chrome: Any = webdriver.Chrome(options=options, service=Service(driver))
    chrome.get("about:blank")
    chrome.get_log("performance")  # forget what the start page asked for
    yield chrome
    chrome.quit()
