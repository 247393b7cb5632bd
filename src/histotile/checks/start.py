"""The cheap half: settings, cohort file, names and paths. No slide is opened."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from histotile.backbones.foundation.lookup import doubts
from histotile.checks.cohort import check_cohort, check_cohort_file, of_findings
from histotile.checks.marks import marked_settings
from histotile.checks.problem import Problem, attempt
from histotile.checks.settings import check_settings
from histotile.config import Config
from histotile.errors import HistotileError
from histotile.io.cohort import Cohort
from histotile.io.cohort_checks import find_class_spellings
from histotile.io.digests import find_weights, weight_files
from histotile.io.names import nearest
from histotile.tasks.registry import config_task
from histotile.tiling.image_cohort.listing import Listing, holds_images, list_images

_SHIPPED = ("shipped:natural", "shipped:histology")
_WORDS = ("imagenet", "none", *_SHIPPED)


@dataclass(frozen=True)
class Start:
    """Settings, cohort and problems, before the first job.

    Attributes:
        problems: All that is wrong or doubtful.
        config: The settings; where some are wrong, with the standard ones in their place.
        cohort: The slides, or the groups of images that stand in for them; where the file is
            refused, what can be read of it.
        listing: The images of a cohort of ready-made tiles.
    """

    problems: tuple[Problem, ...]
    config: Config | None
    cohort: Cohort | None
    listing: Listing | None = None


def look(
    data: Mapping[str, Any],
    files: Sequence[Path] = (),
    stored: bool = False,
    is_module: bool = False,
) -> Start:
    """Everything wrong that can be seen without opening a slide.

    Args:
        data: The settings, merged from all files and options.
        files: The YAML files among these, the later ones winning.
        stored: Whether slides and weights lie in a storage, where they cannot be looked for.
        is_module: Whether another workflow uses this one, and may make weights that are not there.
    """
    problems: list[Problem] = []
    settings = check_settings(_of_images(data), files, problems)
    config, wrong = settings.config, settings.wrong
    if config is None:
        return Start(tuple(problems), None, None)
    problems += marked_settings(config)
    problems += _results(config)
    if "classes" not in wrong:
        alike = find_class_spellings(config.classes)
        problems += of_findings(alike, config.accept, "config.yaml")
    listing, cohort = None, None
    path = Path(config.cohort)
    if "cohort" not in wrong:
        if attempt([], holds_images, path):
            if "classes" not in wrong:
                listing = attempt(problems, list_images, path, config_task(config))
                cohort = listing.cohort if listing else None
                remarks = listing.remarks if listing else ()
                problems += [Problem("warning", config.cohort, remark) for remark in remarks]
        else:
            cohort = check_cohort_file(path, problems)[1]
    if cohort is not None:
        problems += check_cohort(cohort, config, wrong, config.cohort, stored)
    if "backbone" not in wrong:
        problems += _weights(config, is_module)
        told = doubts(config.backbone, config.tile.mpp)
        problems += [Problem("warning", where, fact) for where, fact in told.items()]
    return Start(tuple(problems), config, cohort, listing)


def _of_images(data: Mapping[str, Any]) -> dict[str, Any]:
    """The settings; images have no outlines, whose names would have to be classes."""
    found = dict(data)
    tile = found.get("tile")
    if not isinstance(tile, dict) or not isinstance(tile.get("labels"), dict):
        return found
    if attempt([], holds_images, Path(str(found.get("cohort")))):
        found["tile"] = {**tile, "labels": {**tile["labels"], "names": {}, "outside": None}}
    return found


def _results(config: Config) -> list[Problem]:
    """A folder of results that cannot be one."""
    remedy = "name a folder of its own, e.g. results"
    if not config.results.strip():
        return [Problem("error", "results", "no folder is named", remedy)]
    path = Path(config.results)
    file = next((p for p in (path, *path.parents) if p.is_file()), None)
    return [Problem("error", "results", f"{file} is a file, no folder", remedy)] if file else []


def _weights(config: Config, is_module: bool) -> list[Problem]:
    """Weights that name no file, folder or source."""
    weights = config.backbone.weights
    try:
        lost = [str(file) for file in weight_files(weights) if not file.is_file()]
        if lost and is_module:
            fact = f"{weights!r}: there is no {' or '.join(lost)}"
            remedy = "mend the path, or make it by a rule of the workflow that uses this one"
            return [Problem("warning", "backbone.weights", fact, remedy)]
        find_weights(weights)
    except HistotileError:
        near = nearest(weights, _WORDS)
        hint = f"; did you mean `{near}`?" if near else ""
        fact = f"{weights!r} is neither a file nor a known source{hint}"
        remedy = f"give {', '.join(_WORDS)}, hf-hub:org/name, local-dir:/folder or a file"
        return [Problem("error", "backbone.weights", fact, remedy)]
    if config.backbone.name == "auto" and weights in {"imagenet", "none"}:
        fact = f"`auto` needs weights that bring their own network, not {weights}"
        remedy = "name a timm model, e.g. resnet18"
        return [Problem("error", "backbone.name", fact, remedy)]
    return []
