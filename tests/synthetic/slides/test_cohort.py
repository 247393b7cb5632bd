import hashlib
import json
from pathlib import Path

import cv2
import numpy as np
import openslide
import pytest
from PIL import Image

from histotile.config import Synthesize
from histotile.config.yaml_file import read_synthetic
from histotile.io.cohort import read_cohort
from histotile.synthetic.slides.cohort import synthesize_cohort


def small() -> Synthesize:
    standard = read_synthetic(Path(__file__).parents[3] / "config" / "synthetic.yaml").synthesize
    changes = {"slides": 4, "patients": 4, "side_px": 1280, "artefact_rate": 1.0}
    return standard.model_copy(update=changes)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cohort")
    assert synthesize_cohort(folder, small()) == folder / "slides.csv"
    return folder


def test_the_cohort_file_reads_and_its_slides_open(cohort: Path) -> None:
    slides = read_cohort(cohort / "slides.csv").slides
    assert len(slides) == 4 and {s.label for s in slides} == {"healthy", "tumour"}
    for slide in slides:
        with openslide.OpenSlide(str(slide.path)) as opened:
            assert opened.dimensions == (1280, 1280)
        assert (slide.annotation is not None) == (slide.label == "tumour")
        assert slide.annotation is None or slide.annotation.is_file()
    assert len(list((cohort / "annotations").iterdir())) == 2


def test_outlines_and_masks_agree(cohort: Path) -> None:
    for slide in read_cohort(cohort / "slides.csv").slides:
        mask = _read(cohort / "truth" / f"{slide.slide_id}.lesions.png")
        assert mask.shape == (80, 80) and set(np.unique(mask)) <= {0, 255}
        if slide.annotation is None:
            assert not mask.any()
            continue
        features = json.loads(slide.annotation.read_text())["features"]
        area = 0.0
        for feature in features:
            assert feature["properties"]["classification"] == {
                "name": "Tumor",
                "color": [200, 0, 0],
            }
            (ring,) = feature["geometry"]["coordinates"]
            assert ring[0] == ring[-1]
            area += cv2.contourArea(np.array(ring, np.float32))
        assert (mask > 0).sum() * 256 == pytest.approx(area, rel=0.05)


def test_artefacts_are_told(cohort: Path) -> None:
    mask = _read(cohort / "truth" / "slide_001.artefacts.png")
    assert {85, 170, 255} <= set(np.unique(mask))
    features = json.loads((cohort / "truth" / "slide_001.artefacts.geojson").read_text())
    names = [f["properties"]["classification"]["name"] for f in features["features"]]
    assert names == ["pen", "fold", "blur"]


def test_truth_tells_every_parameter(cohort: Path) -> None:
    truth = json.loads((cohort / "truth.json").read_text())
    assert truth["synthetic"] is True and truth["settings"]["mode"] == "iso_colour"
    slide = truth["slides"][0]
    assert {"spec", "foci", "pieces", "artefacts", "site"} <= set(slide)
    assert slide["spec"]["seed"] != truth["slides"][1]["spec"]["seed"]


def test_the_number_of_processes_changes_nothing(cohort: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    synthesize_cohort(tmp_path, small(), lambda done, total: seen.append((done, total)), 2)
    assert seen == [(k, 4) for k in range(5)]
    for kind in ("slides", "truth", "annotations"):
        for path in sorted((cohort / kind).iterdir()):
            other = tmp_path / kind / path.name
            assert _digest(path) == _digest(other), path.name


def test_paths_count_from_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tiny = small().model_copy(update={"slides": 2, "patients": 2, "side_px": 256})
    synthesize_cohort(Path("demo"), tiny)
    paths = [s.path.as_posix() for s in read_cohort(Path("demo/slides.csv")).slides]
    assert paths == ["demo/slides/slide_001.svs", "demo/slides/slide_002.tiff"]


def test_planted_copies_open_as_slides_that_look_the_same(tmp_path: Path) -> None:
    changes = {"duplicate_slides": 0.5, "flavour": "svs", "side_px": 768, "sites": 1}
    synthesize_cohort(tmp_path, small().model_copy(update=changes))
    slides = read_cohort(tmp_path / "slides.csv").slides
    pictures = []
    for slide in slides:
        with openslide.OpenSlide(slide.path) as opened:
            window = opened.read_region((0, 0), 0, (768, 768)).convert("RGB")
            pictures.append(np.asarray(window).astype(int))
    alike = [
        (slides[a], slides[b])
        for a in range(4)
        for b in range(a)
        if abs(pictures[a] - pictures[b]).mean() < 6
    ]
    assert len(alike) == 2
    for first, second in alike:
        assert first.patient_id != second.patient_id and first.label == second.label
        assert {first.path.suffix, second.path.suffix} == {".svs", ".tiff"}
        assert (first.annotation is None) == (second.annotation is None)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _read(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))
