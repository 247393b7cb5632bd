"""How numbers and names are worded, alike on every page and in the terminal."""

import math
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from histotile.io.ledger import WORDS

_MEASURES = {
    "auprc": "AUPRC",
    "auroc": "AUROC",
    "brier": "Brier score",
    "mae": "mean absolute error",
    "r2": "R²",
    "spearman": "Spearman's rho",
    "ece": "calibration error (ECE)",
    "nll": "negative log-likelihood",
}
_REASONS = {**WORDS, "mpp": "mpp unknown or impossible"}
_UNSAFE_IN_TERMINAL = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]+")


def measure(key: object) -> str:
    """The name of a measure: "tile_auroc" becomes "tile AUROC", "balanced_accuracy" words.

    What stands behind a blank, such as a label or a unit, is left as it is.
    """
    name, blank, rest = str(key).partition(" ")
    return " ".join(_MEASURES.get(word, word) for word in name.split("_")) + blank + rest


def reason(key: object) -> str:
    """Why a tile or slide was set aside, or how a tile is marked, in words."""
    return _REASONS.get(str(key), str(key).replace("_", " "))


def known(value: object) -> bool:
    """Whether there is a value: not None, not NaN, not an empty cell."""
    if isinstance(value, float):
        return math.isfinite(value)
    return value is not None and value != ""


def count(value: Any) -> str:
    """12431 as "12,431"."""
    return f"{int(value):,}" if known(value) else "unknown"


def score(value: Any) -> str:
    """A score or measure of 0-1 with three decimals; "none" where there is none."""
    return f"{float(value):.3f}" if known(value) else "none"


def signed(value: float) -> str:
    """A difference with its sign and three decimals; nothing is "+0.000", never "-0.000"."""
    return f"{round(value, 3) + 0.0:+.3f}"


def interval(lower: Any, upper: Any) -> str:
    """Both ends with three decimals, "0.921 to 0.974"; empty where unknown."""
    return f"{score(lower)} to {score(upper)}" if known(lower) and known(upper) else ""


def mpp(value: Any) -> str:
    """A scale with four significant digits, "0.2521 µm/px"."""
    return f"{float(value):.4g} µm/px" if known(value) else "unknown"


def percent(part: Any, whole: Any) -> str:
    """A share as "12 %"; empty where the whole is nothing. Only 0 is called 0 and 1 called 100."""
    if not (known(part) and known(whole)) or not whole:
        return ""
    share = 100 * part / whole
    if 0 < share < 1:
        return "<1 %"
    return ">99 %" if 99 < share < 100 else f"{share:.0f} %"


def used_tiles(counts: Mapping[str, Any]) -> int | None:
    """Tiles neither without tissue nor excluded; None where the slide was not tiled."""
    if "tiles" not in counts:
        return None
    return int(counts["tiles"]) - excluded_tiles(counts)


def excluded_tiles(counts: Mapping[str, Any]) -> int:
    """Tiles with tissue that were set aside, for whatever reason."""
    return sum(int(n) for n in (counts.get("excluded") or {}).values())


def fit_of(model: Mapping[str, Any]) -> str:
    """What a fold's summary says of the fit, and what to try; empty where it says nothing."""
    found = model.get("diagnosis") or {}
    if not found:
        return ""
    told = f": {found['verdict']}, {found['reason']}."
    if found["remedies"]:
        told += f" Try: {'; '.join(found['remedies'])}."
    if samples := model.get("independent_samples"):
        least = "" if model.get("icc") is not None else " at least"
        told += f" {model['trained_weights']:,} trained weights for{least} {samples:,.0f} "
        told += "independent samples."
    return told


def page_name(slide_id: str) -> str:
    """The link from the cohort page to the page of a slide, percent-encoded."""
    return f"slides/{quote(slide_id, safe='')}.html"


def terminal_safe(text: object) -> str:
    """One line of text without control characters and changes of writing direction."""
    return _UNSAFE_IN_TERMINAL.sub(" ", str(text)).strip()
