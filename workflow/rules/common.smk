"""Checks settings and cohort before the first job, and answers the rules' questions. No rules."""

import json
import re
from functools import cache
from pathlib import Path

from histotile.cohort import read_cohort
from histotile.config import Config
from histotile.configfile import validate
from histotile.errors import HistotileError
from histotile.digests import digest, digest_files, digest_weights
from histotile.tiles.listing import holds_images, list_images


def nameable(cohort):
    """The ids of the slides, none of which Snakemake takes for a pattern of file names."""
    ids = [slide.slide_id for slide in cohort.slides]
    odd = [name for name in ids if re.search(r"<.*>|{.*}", name)]
    if odd:
        fact = f"Snakemake cannot name files after {', '.join(odd[:20])}"
        raise HistotileError(
            "slide_id", fact, "rename these slides without <...> and {...}"
        )
    return ids


def checked(function, *arguments):
    """The function's result, or a stop with its error and no traceback."""
    try:
        return function(*arguments)
    except HistotileError as error:
        raise WorkflowError(str(error)) from None


# Images have no outlines, whose names would have to be classes.
if holds_images(Path(str(config["cohort"]))):
    config["tile"]["labels"] |= {"names": {}, "outside": None}
CONFIG = checked(validate, Config, dict(config), "config")
LISTING = None  # of ready-made tiles: groups of images stand where slides stand
if holds_images(Path(CONFIG.cohort)):
    LISTING = checked(list_images, Path(CONFIG.cohort), CONFIG.classes)
COHORT = LISTING.cohort if LISTING else checked(read_cohort, Path(CONFIG.cohort))
COHORT_FILE = "<results>/collect/slides.csv" if LISTING else CONFIG.cohort
SLIDE_IDS = checked(nameable, COHORT)
PICTURED = [] if LISTING else SLIDE_IDS  # slides with mask and heatmap
FOLDS = [f"fold{k}" for k in range(CONFIG.split.folds)]
CLASSES = json.dumps(CONFIG.classes, ensure_ascii=False)
SHOWN_ON_SLIDES = {"classes", "inspect", "mask", "tile", "aggregate", "heatmap"}
BACKBONE = CONFIG.backbone.model_dump_json()
ENGINE = CONFIG.engine.model_dump_json()
# Features are made in 32 bit by a network that is not compiled, whatever predictions are made by.
FEATURE_ENGINE = CONFIG.engine.model_copy(
    update={"precision": "float32", "max_difference": 0.005, "compile": False}
).model_dump_json()
# Slides whose labelled tiles are kept in packs; images are files of their own already.
PACKED = [] if LISTING or CONFIG.pack.use == "never" else SLIDE_IDS
CHEAP_CELLS = ["fixed", "early_fixed", "colour"]
CELLS = {"off": [], "probe": CHEAP_CELLS, "full": [*CHEAP_CELLS, "finetune", "init"]}[
    CONFIG.verify.budget
]
# What learns from features, or tables of colours, and reads no tile.
CACHED = {"fixed", "colour"} | (
    {"early_fixed"} if CONFIG.train.early_fixed == "truncate" else set()
)
WEIGHTS = checked(digest_weights, CONFIG.backbone.weights)


pathvars:
    results=CONFIG.results,
    logs=f"{CONFIG.results}/logs",
    benchmarks=f"{CONFIG.results}/benchmarks",


missing = [str(s.path) for s in COHORT.slides if not s.path.exists()]
missing += [
    str(path)
    for s in COHORT.slides
    for path in (*s.annotations, *([s.coordinates] if s.coordinates else []))
    if not path.exists()
]
if missing:
    raise WorkflowError(
        f"{CONFIG.cohort}: {len(missing)} files do not exist: {', '.join(missing[:20])}\n"
        f"  Remedy: mend the column path, annotation or coordinates; relative paths count from {Path.cwd()}"
    )


wildcard_constraints:
    fold="fold[0-9]+",
    cell="fixed|early_fixed|finetune|init|colour",


def settings(section):
    """The whole section as JSON for `--settings`: what the job does stands on its line."""
    return getattr(CONFIG, section).model_dump_json()


def accepted(*kinds):
    """The findings of these kinds that the user accepts, as JSON for `--accept`."""
    found = {
        i: why for i, why in CONFIG.accept.items() if i.rpartition("-")[0] in kinds
    }
    return json.dumps(found, ensure_ascii=False)


def slide_path(wildcards):
    """The slide; nothing where tiles are images, of which `tile_images` keeps account."""
    return [] if LISTING else str(COHORT[wildcards.slide_id].path)


def slide_parts(wildcards):
    """What lies in the folder of a slide that has one (DICOM, MIRAX); none of tiles as images."""
    path = COHORT[wildcards.slide_id].path
    folder = path.with_suffix("") if path.suffix.lower() == ".mrxs" else path
    return [] if LISTING or not folder.is_dir() else sorted(map(str, folder.iterdir()))


def annotation_paths(wildcards):
    return [str(path) for path in COHORT[wildcards.slide_id].annotations]


def coordinates_path(wildcards):
    return [str(p) for p in [COHORT[wildcards.slide_id].coordinates] if p]


def each(option, paths):
    """`--option path` for each path."""
    return [word for path in paths for word in (option, path)]


def folder(stage):
    """A param: the folder of a stage. Its files are inputs, or come before one that is."""
    return lambda wildcards: f"{CONFIG.results}/{stage}"


def packs_of(strategy):
    """The packs a training may read; none where it learns from cached features."""
    ids = [] if strategy in CACHED else PACKED
    return [f"{CONFIG.results}/pack/{slide_id}.pack" for slide_id in ids]


def packs_option(strategy):
    """`--packs` where a training may read packs."""
    return ["--packs", f"{CONFIG.results}/pack"] if packs_of(strategy) else []


def mpp_option(slide):
    """`--mpp` where the cohort file states the scale."""
    return f"--mpp {slide.mpp}" if slide.mpp else ""


def label_option(wildcards):
    label = COHORT[wildcards.slide_id].label
    return ["--label", label] if label else []


@cache
def new_cohort():
    """The cohort of `snakemake apply`, read only when that target is asked for."""
    if holds_images(Path(CONFIG.apply.slides)):
        raise WorkflowError(
            f"{CONFIG.apply.slides}: `apply` takes slides, these are images\n"
            "  Remedy: use `histotile collect`, `tile-images` and `predict`, group by group"
        )
    cohort = checked(read_cohort, Path(CONFIG.apply.slides))
    if any(slide.coordinates for slide in cohort.slides):
        raise WorkflowError(
            f"{CONFIG.apply.slides}: `apply` lays its own grid; it takes no `coordinates`\n"
            "  Remedy: leave that column empty, or use `histotile tile`, `predict` and `heatmap`"
        )
    return cohort


def new_ids():
    return checked(nameable, new_cohort())


@cache
def model_digest():
    """Changes with the trained weights, so that `apply` runs again after a new training."""
    return checked(digest_files, Path(CONFIG.apply.model))
