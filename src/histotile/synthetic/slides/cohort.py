"""Writing a synthetic cohort: slides, annotations, truth."""

import csv
import io
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path

from histotile.config import Synthesize
from histotile.io.atomic import write_json, write_text
from histotile.synthetic.slides.plan import plan_cohort
from histotile.synthetic.slides.plants import SyntheticSlide
from histotile.synthetic.slides.pyramid import write_pyramid
from histotile.synthetic.slides.truth import lesion_outlines, write_mask, write_outlines
from histotile.synthetic.slides.world import World


def synthesize_cohort(
    folder: Path,
    settings: Synthesize,
    progress: Callable[[int, int], None] | None = None,
    processes: int = 1,
) -> Path:
    """A cohort on disk: slides/, annotations/, truth/, truth.json, and the path of slides.csv.

    The result is the same whatever the number of processes.

    Args:
        folder: Where; paths in slides.csv count from the working directory if it contains them.
        settings: How many, how large, how hard.
        progress: Called with the numbers of slides done and in all.
        processes: Slides made side by side.

    Raises:
        HistotileError: Fewer slides than patients, or over three slides per patient.
    """
    slides = plan_cohort(settings)
    for name in ("slides", "annotations", "truth"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    if progress:
        progress(0, len(slides))
    for done, _ in enumerate(_make_all(folder, slides, processes), 1):
        if progress:
            progress(done, len(slides))
    facts = [{**asdict(slide), **World(slide.spec).facts()} for slide in slides]
    truth = {"synthetic": True, "settings": settings.model_dump(mode="json"), "slides": facts}
    write_json(folder / "truth.json", truth)
    write_text(folder / "slides.csv", _csv(folder, slides))
    return folder / "slides.csv"


def synthesize_slide(folder: Path, slide: SyntheticSlide) -> Path:
    """One slide with its truth: the slide's path.

    Writes slides/<id>.tiff or .svs, truth/<id>.lesions.png and truth/<id>.artefacts.png (1/16),
    and, where there are any, annotations/<id>.geojson and truth/<id>.artefacts.geojson.
    """
    world = World(slide.spec)
    path = slide_path(folder, slide)
    write_pyramid(path, world, slide.flavour, slide.quality)
    lesions = lesion_outlines(world)
    truth = folder / "truth"
    if lesions:
        write_outlines(annotation_path(folder, slide), [("Tumor", points) for points in lesions])
    write_mask(
        truth / f"{slide.slide_id}.lesions.png", world, [(255, points) for points in lesions]
    )
    values = {"pen": 85, "fold": 170, "blur": 255}
    marks = [(values[a.kind], a.outline()) for a in world.artefacts]
    write_mask(truth / f"{slide.slide_id}.artefacts.png", world, marks)
    if marks:
        named = [(a.kind, a.outline()) for a in world.artefacts]
        write_outlines(truth / f"{slide.slide_id}.artefacts.geojson", named)
    return path


def slide_path(folder: Path, slide: SyntheticSlide) -> Path:
    """Where a slide of the cohort lies."""
    return folder / "slides" / f"{slide.slide_id}.{slide.flavour}"


def annotation_path(folder: Path, slide: SyntheticSlide) -> Path:
    """Where the outlines of a slide with lesions lie."""
    return folder / "annotations" / f"{slide.slide_id}.geojson"


def _make_all(folder: Path, slides: list[SyntheticSlide], processes: int) -> Iterator[Path]:
    if processes <= 1:
        yield from (synthesize_slide(folder, slide) for slide in slides)
        return
    World(slides[0].spec).region(0, 0, 16, 16)  # compile once, before the others need it
    context = get_context("spawn")
    with ProcessPoolExecutor(min(processes, len(slides)), mp_context=context) as pool:
        jobs = [pool.submit(synthesize_slide, folder, slide) for slide in slides]
        for job in as_completed(jobs):
            yield job.result()


def _csv(folder: Path, slides: list[SyntheticSlide]) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("slide_id", "patient_id", "path", "label", "annotation", "site"))
    for s in slides:
        drawn = shown(annotation_path(folder, s)) if s.spec.scenario != "Z" else ""
        path = shown(slide_path(folder, s))
        table.writerow((s.slide_id, s.patient_id, path, s.label, drawn, s.site))
    return text.getvalue()


def shown(path: Path) -> str:
    """The path from the working directory if that contains it, else in full."""
    whole, here = path.resolve(), Path.cwd().resolve()
    return (whole.relative_to(here) if whole.is_relative_to(here) else whole).as_posix()
