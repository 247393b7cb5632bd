"""Words that people write where the program knows only a few, and what each stands for."""

from functools import cache

from histotile.errors import HistotileError
from histotile.io.names import choose

COLUMNS = {  # of the cohort file -> what people call them elsewhere
    "slide_id": ("slide", "slide name", "image", "image id", "wsi", "name", "id"),
    "path": ("file", "filename", "file path", "slide path", "image path", "location"),
    "patient_id": ("patient", "case", "case id", "subject", "subject id", "donor", "pid"),
    "label": ("class", "diagnosis", "target", "slide label", "category", "y"),
    "annotation": ("annotations", "outlines", "xml", "geojson", "annotation path"),
    "site": ("hospital", "center", "centre", "institution", "institute", "laboratory", "source"),
    "mpp": ("um per px", "microns per pixel", "resolution", "pixel size"),
    "split": ("set", "subset", "partition", "role"),
    "labels": (),
    "coordinates": ("coords", "tiles", "patches"),
}
TILE_COLUMNS = {  # of a table of ready-made tiles
    "path": (*COLUMNS["path"], "image", "tile", "name"),
    "label": (*COLUMNS["label"], "tile label"),
    "group": ("patient id", *COLUMNS["patient_id"]),
    "site": COLUMNS["site"],
    "split": COLUMNS["split"],
}
TEST, TRAIN = "test", "train"
SIDES = {  # of the split of a cohort -> words for them
    TEST: (
        *("tests", "testing", "test set", "testing set", "test data", "test cohort", "holdout"),
        *("holdout set", "hold out test", "held out", "held out set", "held out test", "unseen"),
        *("external", "external set", "external test", "external test set", "external cohort"),
        *("external validation", "independent test", "independent test set"),
    ),
    TRAIN: (
        *("training", "train set", "training set", "train data", "training data"),
        *("training cohort", "cv", "cross validation"),
    ),
}
NO_SIDE = (
    f"write `{TEST}` (never trained on) or `{TRAIN}` (or nothing); parts for validation are drawn "
    "anew in every fold, see split.val_fraction"
)
VERDICTS = {"ok": (), "quarantined": ("quarantine",)}  # of the ledger that `triage` writes
ROLES = {  # in a fold -> words of people who edit the fold table
    TRAIN: SIDES[TRAIN],
    "val": ("valid", "validation", "dev"),
    TEST: SIDES[TEST],
}
NOBODY = {
    "unknown": (
        *("na", "n/a", "nan", "none", "null", "?", "-", "--", ".", '"', "-1", "tbd", "unk"),
        *("#n/a", "#ref!", "#value!", "#name?", "missing", "not available", "not known"),
        *("anonymous", "anonymized", "anonymised", "anon", "undefined", "no id", "ditto", "dito"),
    )
}
YES = {"yes": ("true", "1"), "no": ("false", "0")}


@cache
def side(word: str) -> str | None:
    """What a word in the column `split` says: `test` or `train`, as an empty cell does; else None.

    >>> side("Hold-out"), side("Training"), side(""), side("validation")
    ('test', 'train', 'train', None)
    """
    return choose(word, SIDES) if word else TRAIN


def yes(word: str) -> bool:
    """Whether a word says yes.

    Raises:
        HistotileError: It says neither yes nor no.
    """
    found = choose(word, YES)
    if found is None:
        raise HistotileError(repr(word), "says neither yes nor no", "write true or false")
    return found == "yes"
