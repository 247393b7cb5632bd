"""Checks settings and cohort before the first job, and answers the rules' questions. No rules."""

import csv
import hashlib
import json
import re
from functools import cache
from itertools import product
from pathlib import Path

from histotile.checks.cohort import nameable
from histotile.checks.marks import marked_files
from histotile.checks.problem import attempt, errors, tell
from histotile.checks.start import look
from histotile.io.cohort import read_cohort
from histotile.io.cohort_checks import check_cohort
from histotile.config.results import reads_features
from histotile.config.yaml_file import as_written
from histotile.inference.model_metadata import CHECKPOINT, ONNX, find_models
from histotile.io.digests import digest, digest_files, digest_weights, weight_files
from histotile.tiling.image_cohort.listing import holds_images


def stop_at(problems):
    """Nothing, or an end with all of them; Snakemake would tell errors with a traceback."""
    if problems:
        raise SystemExit("\n".join(["", *tell(problems)]))


def plain(text):
    """JSON that means the same, in which Snakemake finds no `{wildcard}` and no `<variable>`."""
    return re.sub(r'{(?!["}])', lambda _: r"\u007b", text).replace("<", r"\u003c")


# Whether input files lie in a storage instead of a disk that all jobs see.
IS_STORED = workflow.storage_settings.default_storage_provider is not None


def started():
    """Settings and cohort; all that is wrong with them is told at once, by the main process."""
    is_main = workflow.is_main_process
    written = checked(as_written, config, SETTINGS_FILES)
    files, outer = SETTINGS_FILES if is_main else [], workflow.modifier.parent_modifier
    found = look(written, files, IS_STORED, is_module=outer is not None)
    wrong = errors(found.problems)
    stop_at(wrong if any(not problem.stage for problem in wrong) else [])
    doubtful = [problem for problem in found.problems if problem.level != "error"]
    if is_main and doubtful:
        logger.warning("\n".join(tell(doubtful)))
    return found


START = started()
CONFIG = START.config
LISTING = START.listing  # of ready-made tiles: groups stand where slides stand
COHORT = START.cohort
COHORT_FILE = "<results>/collect/slides.csv" if LISTING else CONFIG.cohort
SLIDE_IDS = nameable(COHORT)
PICTURED = [] if LISTING else SLIDE_IDS  # slides with mask and heatmap
# What follows a verb in the name of a rule, its logs, and slides of a job: by the slide; of groups,
# which may be many and small, a rule with one job for each portion of them.
PORTIONS = (
    [(f"_{n}", str(n), ids) for n, ids in enumerate(LISTING.portions, 1)]
    if LISTING
    else [("", "{slide_id}", ["{slide_id}"])]
)
FOLDS = [f"fold{k}" for k in range(CONFIG.split.folds)]
# What labels and values mean, and beside it how it is learnt.
CLASSES, TASK = (
    plain(
        json.dumps(CONFIG.task.facts(CONFIG.classes, of_training), ensure_ascii=False)
    )
    for of_training in (False, True)
)
SHOWN_ON_SLIDES = {
    "classes",
    "task",
    "accept",
    "inspect",
    "mask",
    "tile",
    "aggregate",
    "heatmap",
}
APPLIED = SHOWN_ON_SLIDES | {"engine", "report"}
# The title stands on the page of the cohort alone.
UNTITLED = CONFIG.report.model_copy(update={"title": ""})
BACKBONE = plain(CONFIG.backbone.model_dump_json())
ENGINE = CONFIG.engine.model_dump_json()
# Features are made in 32 bit by a network that is not compiled, whatever predictions are made by.
FEATURE_ENGINE = CONFIG.engine.model_copy(
    update={"precision": "float32", "max_difference": 0.005, "compile": False}
).model_dump_json()
# Slides whose labelled tiles are kept in packs; images are files of their own already.
PACKED = [] if LISTING or CONFIG.pack.use == "never" else SLIDE_IDS
CHEAP = ["linear_probe", "early_probe", "colour", "random_weights", "sklearn"]
# Slides are learnt of the features of their tiles, or of held-out predictions.
METHODS = CONFIG.learn_slides.methods(CONFIG.aggregate)
OF_FEATURES = SLIDE_IDS if any(map(reads_features, METHODS)) else []
OF_PREDICTIONS = [] if all(map(reads_features, METHODS)) else SLIDE_IDS
LEARNT, LEARNING, LOOKED = (
    [f"<results>/learn_slides/{name}"] if CONFIG.aggregate.is_learnt else []
    for name in ("scores.csv", "learning.json", "attention")
)
COMPARED = {"off": [], "probe": CHEAP, "full": [*CHEAP, "finetune", "retrain"]}[
    CONFIG.verify.budget
]
# With full resolution the page of a slide has a folder of pictures.
PICTURES = (
    {"pictures": directory("<results>/report/slides/{slide_id}_files")}
    if CONFIG.report.full_resolution
    else {}
)
APPLIED_PICTURES = (
    {"pictures": directory("<results>/apply/report/slides/{new_id}_files")}
    if CONFIG.report.full_resolution
    else {}
)
# Weights that are files of the user, or of a rule of a workflow that uses this one.
WEIGHTS = [local(str(file)) for file in checked(weight_files, CONFIG.backbone.weights)]


pathvars:
    results=CONFIG.results,
    logs=f"{CONFIG.results}/logs",
    benchmarks=f"{CONFIG.results}/benchmarks",


wildcard_constraints:
    fold="fold[0-9]+",
    strategy="linear_probe|early_probe|finetune|retrain|colour|random_weights|sklearn",


def profile_portions(*verbs):
    """Gives the rules of portions what a profile or command line sets for their verb."""
    named, given = workflow.modifier.modify_rulename, workflow.resource_settings
    threads, resources = (
        given._parsed_overwrite_threads,
        given._parsed_overwrite_resources,
    )
    for verb, (suffix, *_), settings in product(verbs, PORTIONS, (threads, resources)):
        if named(verb) in settings:
            settings.setdefault(named(verb + suffix), settings[named(verb)])


profile_portions("tile_images", "embed", "predict")


def unless_doomed(stage):
    """An input: no file, but an end before the first job where the stage cannot succeed."""

    def given(wildcards):
        if not workflow.dag_settings.until:
            stop_at([p for p in errors(START.problems) if p.stage == stage])
        return []

    return given


def unless_fitted(wildcards):
    """An input: no file, but an end before the first job where a head alone is fitted."""
    strategy = CONFIG.train.strategy
    if strategy != "auto" and not CONFIG.train.trains_layers(strategy):
        fact = f"{strategy} fits its head exactly, and `tune` has nothing to search"
        remedy = "set it to finetune or retrain, or to auto"
        raise SystemExit(f"\n{HistotileError('train.strategy', fact, remedy)}")
    return []


def settings(section):
    """The whole section as JSON for `--settings`: what the job does stands on its line."""
    return plain(getattr(CONFIG, section).model_dump_json())


def accepted(*kinds):
    """The findings of these kinds that the user accepts, as JSON for `--accept`."""
    found = {
        i: why for i, why in CONFIG.accept.items() if i.rpartition("-")[0] in kinds
    }
    return plain(json.dumps(found, ensure_ascii=False))


def names_digest():
    """Changes with the patients, labels, sites and sides of the cohort as they are understood.

    The file may stay as it is while the words that name its test set come to mean more.
    """
    names = [
        (s.slide_id, s.patient_id, s.label, s.labels, s.site, s.split)
        for s in COHORT.slides
    ]
    return hashlib.sha256(repr(names).encode("utf-8", "surrogateescape")).hexdigest()[
        :12
    ]


def slide_path(wildcards):
    """The slide; nothing where tiles are images, of which `tile_images` keeps account."""
    return [] if LISTING else str(COHORT[wildcards.slide_id].path)


def slide_parts(wildcards):
    """What lies in the folder of a slide that has one (DICOM, MIRAX); none of tiles as images."""
    return [] if LISTING else parts_of(COHORT[wildcards.slide_id].path)


@cache
def parts_of(path):
    folder = path.with_suffix("") if path.suffix.lower() == ".mrxs" else path
    return sorted(map(str, folder.iterdir())) if folder.is_dir() else []


def annotation_paths(wildcards):
    return [str(path) for path in COHORT[wildcards.slide_id].annotations]


def coordinates_path(wildcards):
    return [str(p) for p in [COHORT[wildcards.slide_id].coordinates] if p]


def each(option, paths):
    """`--option path` for each path."""
    return [word for path in paths for word in (option, path)]


def folder_of(name, ancestor=1):
    """A param: the folder that these inputs stand in, or one above it."""
    return lambda wildcards, input: str(
        Path(as_list(input[name])[0]).parents[ancestor - 1]
    )


def folder_option(name):
    """A param: `--name` and the folder that these inputs stand in; nothing without inputs."""

    def option(wildcards, input):
        files = as_list(input[name])
        return [f"--{name}", str(Path(files[0]).parent)] if files else []

    return option


def place_of(name):
    """A param: where these outputs go, which is a folder if they are several."""

    def place(wildcards, output):
        first, *others = as_list(output[name])
        return str(Path(first).parent) if others else str(first)

    return place


def as_list(files):
    """One file or many, as many."""
    return [files] if isinstance(files, str) else list(files)


def slide_option(wildcards, input):
    """`--slide`, where the slide is; nothing where tiles are images."""
    return ["--slide", str(input.slide)] if input.slide else []


def slide_files(wildcards):
    """All slides, with what lies in the folders of those that have one."""
    paths = [] if LISTING else [str(slide.path) for slide in COHORT.slides]
    return paths + [part for slide in COHORT.slides for part in parts_of(slide.path)]


def prefix_of_all(wildcards, input):
    """What comes before the paths of the cohort file where Snakemake stages copies of slides."""
    return "" if LISTING else prefix(input.slides[0], COHORT.slides[0].path)


def prefix_of_one(wildcards, input):
    """The same where a rule reads a single slide."""
    return prefix(input.slide, COHORT[wildcards.slide_id].path)


def prefix(place, path):
    """What comes before a path where a copy of it is staged; nothing if it is read in place."""
    return str(place).removesuffix(str(path)) if str(place) != str(path) else ""


def augment_option():
    """`--augment` where views are kept: else no feature depends on it."""
    changes = CONFIG.train.augment.model_dump_json()
    return ["--augment", changes] if CONFIG.embed.views else []


def reads_tiles(strategy):
    """Whether it may learn from tiles rather than from features, or tables of colours."""
    return strategy == "auto" or CONFIG.train.trains_layers(strategy)


def packs_of(strategy):
    """The packs a training may read; none where it learns from cached features."""
    ids = PACKED if reads_tiles(strategy) else []
    return [f"{CONFIG.results}/pack/{slide_id}.pack" for slide_id in ids]


def packs_option(wildcards, input):
    """`--packs` where a training may read packs."""
    return ["--packs", str(Path(input.packs[0]).parent)] if input.packs else []


def mpp_option(slide):
    """`--mpp` where the cohort file states the scale."""
    return f"--mpp {slide.mpp}" if slide.mpp else ""


def label_option(wildcards):
    label = COHORT[wildcards.slide_id].label
    return ["--label", label] if label else []


@cache
def new_cohort():
    """The cohort of `snakemake apply`, read only when that target is asked for."""
    problems = []
    cohort = attempt(problems, slides_to_apply, CONFIG.apply.slides)
    if cohort:
        problems += marked_files(cohort.slides, CONFIG.apply.slides)
    stop_at(problems)
    return cohort


def slides_to_apply(source):
    """The slides of a cohort file, checked by the main process.

    Raises:
        HistotileError: They cannot be read or named, or are no slides.
    """
    if holds_images(Path(source)):
        fact = "`apply` takes slides, these are images"
        remedy = "use `histotile collect`, `tile-images` and `predict`, group by group"
        raise HistotileError(source, fact, remedy)
    cohort = read_cohort(Path(source))
    nameable(cohort)
    if workflow.is_main_process:
        check_cohort(cohort, CONFIG.accept, source)
    if any(slide.coordinates for slide in cohort.slides):
        fact = "`apply` lays its own grid; it takes no `coordinates`"
        remedy = (
            "leave that column empty, or use `histotile tile`, `predict` and `heatmap`"
        )
        raise HistotileError(source, fact, remedy)
    return cohort


@cache
def new_ids():
    return [slide.slide_id for slide in new_cohort().slides]


def left_out(scores):
    """Whether a slide of this table of scores has no tile that was used."""
    with Path(scores).open(newline="", encoding="utf-8") as handle:
        return any(row["n_tiles"] == "0" for row in csv.DictReader(handle))


def applied(place):
    """An input: a file of every new slide."""
    return lambda wildcards: expand(f"<results>/apply/{place}", new_id=new_ids())


@cache
def model_files():
    """The files of the model that `apply` takes, where jobs share no disk; else none.

    As inputs they would be made again whenever the cohort they were trained on has changed, and
    `apply` trains nothing. On a shared disk their digest is a param instead.
    """
    if not IS_STORED:
        return []
    found = checked(find_models, Path(CONFIG.apply.model))
    files = [p for path in found for p in (path.iterdir() if path.is_dir() else [path])]
    beside = [p.with_name(ONNX) for p in files if p.name == CHECKPOINT]
    return sorted({str(p) for p in (*files, *beside) if p.is_file()})


def model_place(wildcards, input):
    """The model, or its staged copy."""
    if not input.model:
        return CONFIG.apply.model
    return f"{prefix(input.model[0], model_files()[0])}{CONFIG.apply.model}"


def weights_digest(wildcards, input):
    """Changes with the weights of the backbone; of those a rule makes, known once they are made."""
    for path in input.weights:
        Path(path).stat()  # an error whose file is an input puts the answer off
    return digest_of_weights()


@cache
def digest_of_weights():
    """Read once, not once per job: weights may be a gigabyte."""
    return checked(digest_weights, CONFIG.backbone.weights)


@cache
def model_digest():
    """Changes with the trained weights, so that `apply` runs again after a new training."""
    return checked(digest_files, Path(CONFIG.apply.model))
