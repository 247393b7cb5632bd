"""Reads the settings as strictly as the verbs do, before Snakemake reads them. No rules."""

from pathlib import Path

from histotile.config.yaml_file import as_written, check_utf8, over_standard
from histotile.errors import HistotileError


def checked(function, *arguments):
    """The function's result, or a stop with its error and no traceback."""
    try:
        return function(*arguments)
    except HistotileError as error:
        raise WorkflowError(str(error)) from None


IS_MODULE = workflow.modifier.skip_configfile  # another workflow gives `config`
files = [] if IS_MODULE else ["config/config.yaml", *workflow.overwrite_configfiles]
SETTINGS_FILES = [path for path in map(Path, files) if path.is_file()]
for path in SETTINGS_FILES:
    checked(check_utf8, path)
if IS_MODULE:
    standard = Path(workflow.source_path("../../config/config.yaml"))
    config = checked(over_standard, config, standard)
