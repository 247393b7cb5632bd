"""The settings a verb runs with: of the YAML file in force, of JSON, and `key=value` changes."""

import json
from pathlib import Path
from typing import Any

import click

from histotile.config import Config, Synthetic
from histotile.config.renamed import KEYS
from histotile.config.yaml_file import read_config, read_synthetic, standard_config, validate
from histotile.errors import HistotileError
from histotile.io.names import nearest
from histotile.io.text.project import source
from histotile.io.text.yaml_file import read_value, type_of_key


def config_in_force() -> Config:
    """config/config.yaml of the working directory, else the shipped one, under `--config`."""
    return read_config(standard_config(), _overlay())


def _overlay() -> Path | None:
    context = click.get_current_context(silent=True)
    return context.find_root().obj if context else None


def section_in_force(section: str) -> Any:
    """A section of the config.yaml in force, or else of synthetic.yaml, under `--config`."""
    if section in Synthetic.model_fields:
        return getattr(read_synthetic(standard_config("synthetic.yaml"), _overlay()), section)
    return getattr(config_in_force(), section)


def whole_config(given: str | None) -> Config:
    """The settings in force; of sections given as JSON, these, and shipped ones for all others.

    A job of the workflow is given the sections that it reads: it must not depend on the file of
    settings that happens to lie where it runs, which may be that of another workflow. Settings
    given by `--config` count, too.

    Raises:
        HistotileError: Not JSON, an unknown key, or a value out of bounds.
    """
    if given is None:
        return config_in_force()
    option = "--configuration"
    found: Config = validate(Config, _shipped() | read_object(option, given), option)
    return found


def _shipped() -> dict[str, Any]:
    shipped = source() / "config/config.yaml"
    return read_config(shipped, _overlay()).model_dump(mode="json")


def read_object(option: str, given: str) -> dict[str, Any]:
    """The JSON object that an option was given; raises HistotileError if it is none."""
    try:
        data = json.loads(given)
    except json.JSONDecodeError as error:
        raise HistotileError(option, f"not JSON ({error})", "quote it well") from error
    if not isinstance(data, dict):
        raise HistotileError(option, "JSON, but no object", 'write {"key": value}')
    return data


def section_settings(section: str, given: str | None, changes: tuple[str, ...] = ()) -> Any:
    """A section from JSON, else from the YAML file in force, with `key=value` changes.

    Raises:
        HistotileError: Not JSON, an unknown key, or a value out of bounds.
    """
    fields = {**Config.model_fields, **Synthetic.model_fields}
    model: Any = fields[section].annotation
    if given is None:
        data = section_in_force(section).model_dump(mode="json")
    else:
        data = read_object("--settings", given)
    for change in changes:
        _change(data, change, model)
    return validate(model, data, f"settings of {section}")


def partial_section(section: str, given: str | None) -> Any:
    """The section in force; of keys given as JSON, these, and shipped values for all others."""
    if given is None:
        return section_settings(section, None)
    fields: Any = Config.model_fields
    data = _shipped()[section] | read_object(f"--{section}", given)
    return validate(fields[section].annotation, data, f"settings of {section}")


def _change(data: dict[str, Any], change: str, wanted: Any) -> None:
    key, equals, value = change.partition("=")
    if not equals:
        raise HistotileError(f"--set {change}", "no `=` in it", "write --set key=value")
    *parents, leaf = key.split(".")
    place = data
    for parent in parents:
        place = place.get(parent, {}) if isinstance(place.get(parent), dict) else {}
        wanted = type_of_key(wanted, parent)
    if leaf not in place:
        names = _names(data)
        now = ".".join(KEYS.get(part, part) for part in key.split("."))
        near = now if now in names else nearest(key, names)
        hint = f"; did you mean `{near}`?" if near else ""
        raise HistotileError(
            f"--set {change}", f"no setting {key!r}{hint}", "see --help for their names"
        )
    place[leaf] = read_value(f"--set {change}", value, type_of_key(wanted, leaf))


def _names(data: dict[str, Any], above: str = "") -> list[str]:
    names = [f"{above}{name}" for name in data]
    for name, part in data.items():
        names += _names(part, f"{above}{name}.") if isinstance(part, dict) else []
    return names
