"""Reads the settings as strictly as the verbs do, before Snakemake reads them. No rules."""

from pathlib import Path

from histotile.config.yaml_file import as_written, check_utf8
from histotile.errors import HistotileError


def checked(function, *arguments):
    """The function's result, or a stop with its error and no traceback."""
    try:
        return function(*arguments)
    except HistotileError as error:
        raise WorkflowError(str(error)) from None


SETTINGS_FILES = [
    path
    for path in (Path("config/config.yaml"), *map(Path, workflow.overwrite_configfiles))
    if path.is_file()
]
for path in SETTINGS_FILES:
    checked(check_utf8, path)
