"""Options that several verbs share."""

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from histotile.cli.settings import config_in_force, section_in_force, section_settings
from histotile.config.values import Section
from histotile.errors import HistotileError

F = TypeVar("F", bound=Callable[..., Any])
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
PATH = click.Path(path_type=Path)


configuration_option = click.option(
    "--configuration",
    metavar="JSON",
    help="Sections of settings, with shipped ones for all others; default: those in force.",
)


class SectionCommand(click.Command):
    """A verb whose help ends with the settings of its section: names, values, units, advice."""

    section: str = ""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The settings table below the options."""
        values = section_in_force(self.section)
        with formatter.section(f"Settings of `{self.section}` (change with --set key=value)"):
            formatter.write_dl(list(_settings(values, "")))


def _settings(section: Section, prefix: str) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for name, info in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, Section):
            rows += _settings(value, f"{prefix}{name}.")
        else:
            shown = json.dumps(value, ensure_ascii=False)
            rows.append((f"{prefix}{name}={shown}", info.description or ""))
    return rows


def verb(section: str | None = None) -> Callable[[Callable[..., Any]], click.Command]:
    """A command named after its function; with a section, it receives `settings`."""

    def decorate(function: Callable[..., Any]) -> click.Command:
        name = function.__name__.replace("_", "-")
        if section is None:
            return click.command(name)(function)
        command: click.Command = click.command(name, cls=SectionCommand)(
            _settings_options(section)(function)
        )
        command.section = section  # type: ignore[attr-defined]
        return command

    return decorate


def _settings_options(section: str) -> Callable[[F], F]:
    def parse(ctx: click.Context, _: click.Parameter, given: str | None) -> Any:
        return section_settings(section, given, ctx.params.pop("changes", ()))

    def decorate(function: F) -> F:
        function = click.option(
            "--settings",
            callback=parse,
            metavar="JSON",
            help=f"The whole `{section}` section; default: that of the YAML file in force.",
        )(function)
        return click.option(
            "--set",
            "changes",
            multiple=True,
            is_eager=True,
            metavar="KEY=VALUE",
            help="Change one setting"
            + {"tile": ", e.g. --set mpp=1.0", "mask": ", e.g. --set min_od=0.1"}.get(section, "")
            + "; repeatable.",
        )(function)

    return decorate


def task_option(function: F) -> F:
    """`--classes healthy,tumour` as a task, by default that of the config.yaml in force."""

    def parse(_: click.Context, __: click.Parameter, given: str | None) -> Any:
        from histotile.tasks.registry import config_task, make_task, read_task

        if given is None:
            return config_task(config_in_force())
        if given.startswith("{"):
            return read_task(json.loads(given))
        if given.startswith("["):
            return make_task(map(str, json.loads(given)))
        return make_task(name.strip() for name in given.split(","))

    return click.option(
        "--classes",
        "task",
        callback=parse,
        metavar="A,B,...",
        help="Class names in order, background first; comma-separated or a JSON list. Of other "
        'tasks JSON: {"task": "multilabel", "classes": ["a", "b"]}.',
    )(function)


def section_option(section: str, help: str) -> Callable[[F], F]:
    """`--SECTION JSON`, by default that of the config.yaml in force."""

    def parse(_: click.Context, __: click.Parameter, given: str | None) -> Any:
        return section_settings(section, given)

    return click.option(f"--{section}", callback=parse, metavar="JSON", help=help)


backbone_option = section_option(
    "backbone", 'Network and weights, e.g. {"name": "resnet18", "weights": "imagenet"}.'
)


prefix_option = click.option(
    "--prefix",
    default="",
    help="What comes before the paths in the cohort file, where copies of the slides are read.",
)


def slides_options(function: F) -> F:
    """`--cohort` and `--prefix`: where the slides are, by default where they were tiled."""
    words = "Cohort file, by which slides are found; default: where they were when tiled."
    return click.option("--cohort", type=FILE, help=words)(prefix_option(function))


slide_option = click.option(
    "--slide", type=PATH, help="Where the slide is; default: where it was when tiled."
)


def accept_option(function: F) -> F:
    """`--accept JSON`: ids of findings -> the user's reasons, by default of the config in force."""

    def parse(_: click.Context, __: click.Parameter, given: str | None) -> dict[str, str]:
        accepted = config_in_force().accept if given is None else json.loads(given)
        return {str(name): str(why) for name, why in accepted.items()}

    return click.option(
        "--accept", callback=parse, metavar="JSON", help="Findings accepted: {id: reason}."
    )(function)


def training_options(function: F) -> F:
    """What every verb reads that trains a fold, or looks ahead of its training; see its Inputs."""
    words = "Processes that read tiles; default: all cores but one beside a GPU, else 0."
    for decorate in (
        threads_option,
        accept_option,
        backbone_option,
        task_option,
        click.option("--workers", type=click.IntRange(0), help=words),
        slides_options,
        click.option("--packs", type=PATH, help="Folder of packs, to read instead of the slides."),
        click.option("--tiles", type=FOLDER, required=True, help="Folder of tile tables."),
        click.option("--decision", type=FILE, help="decision.json, for strategy `auto`."),
        click.option("--folds", type=FILE, required=True, help="Fold table."),
    ):
        function = decorate(function)
    return function


def output_option(what: str) -> Callable[[F], F]:
    """The required `-o/--output PATH`."""
    return click.option("-o", "--output", type=PATH, required=True, help=what)


def places(output: Path, names: Sequence[str], ending: str) -> list[Path]:
    """Where the results of these names go: the output itself of a single one, else a file in it.

    Raises:
        HistotileError: The output of several is a file.
    """
    if len(names) > 1 and output.is_file():
        fact = f"is a file, and {len(names)} results go into a folder"
        raise HistotileError(output, fact, "name a folder, or take them one by one")
    return [output / f"{name}{ending}" for name in names] if len(names) > 1 else [output]


def mpp_option(function: F) -> F:
    """`--mpp`, for slides that do not know their scale."""
    return click.option(
        "--mpp", type=float, help="um/px at level 0, where the file is silent or wrong."
    )(function)


def threads_option(function: F) -> F:
    """`--threads`, by default one per core."""
    default = os.cpu_count() or 1
    return click.option(
        "--threads", type=click.IntRange(1), default=default, help="Threads; default: all cores."
    )(function)
