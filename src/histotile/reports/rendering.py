"""Filling the templates: every text from outside is escaped, every page is one file."""

import json
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from histotile import __version__
from histotile.errors import HistotileError
from histotile.io.tables import RESEARCH_USE
from histotile.reports import images, wording
from histotile.reports.cohort import metrics_table
from histotile.reports.scripts import Script, read_script

# The viewer's scripts in the order in which a page runs them.
_VIEWER = (
    "openseadragon.min text scene regions contour picture tiles patterns heat layers overlay "
    "scalebar facts hover table controls navigation main"
)


def render(template: str, **context: Any) -> str:
    """A whole page of HTML from a template of this room.

    Characters that UTF-8 cannot write (half of a pair, from damaged file names) are spelled out.
    """
    page = _environment().get_template(template).render(context)
    return page.encode("utf-8", "backslashreplace").decode("utf-8") + "\n"


def list_banners(has_patients: bool | None, labels_source: str | None) -> list[str]:
    """Sentences that limit what the numbers mean, to stand on every page."""
    banners = []
    if has_patients is False and labels_source == "image":
        banners.append(
            "Patients unknown: leakage between tiles of one patient cannot be excluded. The cohort "
            "names no groups, so tiles of neighbouring names were put together; tiles of one "
            "patient may stand on both sides of a split, and the measures may be too good."
        )
    elif has_patients is False:
        banners.append(
            "Patient leakage cannot be excluded: the cohort names no patients, so folds were "
            "divided by slide. Slides of one patient may stand on both sides of a split, and the "
            "measures may be too good."
        )
    if labels_source == "slide":
        banners.append(
            "Tile labels are inherited from slides: every tile carries the label of its slide, "
            "even where its own tissue shows nothing of the kind. Measures of tiles are to be read "
            "so."
        )
    return banners


def as_json(values: object) -> str:
    """Settings as readable JSON."""
    return json.dumps(values, indent=2, ensure_ascii=False, default=str)


@cache
def viewer_scripts() -> tuple[Script, ...]:
    """OpenSeadragon and our own scripts that make the viewer of a slide page, in order.

    Raises:
        HistotileError: OpenSeadragon is not there: the set-up brings it.
    """
    try:
        return tuple(read_script(f"{name}.js") for name in _VIEWER.split())
    except FileNotFoundError as error:
        fact = "is missing, and slide pages need it for their viewer"
        raise HistotileError(str(error.filename), fact, "run `make setup`") from error


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("histotile.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for function in (
        wording.count,
        wording.fit_of,
        wording.interval,
        wording.known,
        wording.measure,
        wording.mpp,
        wording.page_name,
        wording.percent,
        wording.reason,
        wording.score,
        wording.signed,
        wording.used_tiles,
        wording.excluded_tiles,
        images.data_uri,
        images.svg_uri,
        metrics_table.value_text,
        as_json,
        viewer_scripts,
    ):
        environment.globals[function.__name__] = function
    environment.tests["known"] = wording.known
    environment.globals["style"] = Markup(_text("templates", "style.css"))  # ours, not from outside
    environment.globals["viewer_style"] = Markup(_text("viewer", "viewer.css"))
    environment.globals["research_use"] = RESEARCH_USE
    environment.globals["version"] = __version__
    return environment


def _text(folder: str, file_name: str) -> str:
    return files("histotile.reports").joinpath(folder, file_name).read_text(encoding="utf-8")
