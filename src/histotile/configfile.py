"""Reading, checking and writing config.yaml."""

import json
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import ValidationError

from histotile.config import Config, Section
from histotile.config_messages import explain
from histotile.errors import HistotileError
from histotile.writing import write_text

S = TypeVar("S", bound=Section)
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C one is ten times as fast


def validate(section: type[S], data: object, where: str) -> S:
    """The data as a section.

    Raises:
        HistotileError: Unknown keys, missing keys or values out of bounds, all named at once.
    """
    try:
        return section.model_validate(data)
    except ValidationError as error:
        facts = [sentence for _, sentence in explain(section, error)]
        remedy = "see the comments in config/config.yaml"
        raise HistotileError(where, "; ".join(facts), remedy, facts) from error


def read_config(path: Path, overlay: Path | None = None) -> Config:
    """The configuration in a YAML file, with the keys of the overlay changed.

    Raises:
        HistotileError: No such file, no YAML, or settings that do not hold.
    """
    data = _read_yaml(path)
    if overlay is not None:
        _merge(data, _read_yaml(overlay))
    return validate(Config, data, str(overlay or path))


def _read_yaml(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise HistotileError(path, "there is no such file", "start from config/config.yaml")
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), _LOADER)
    except yaml.YAMLError as error:
        raise HistotileError(path, f"not YAML: {error}", "mend the line named") from error
    if not isinstance(data, dict):
        raise HistotileError(path, "holds no settings", "start from config/config.yaml")
    return data


def read_settings(path: Path) -> dict[str, Any]:
    """The keys and values of a YAML file as they stand there.

    Raises:
        HistotileError: No such file, or no YAML.
    """
    return _read_yaml(path)


def merged_settings(files: Sequence[Path]) -> dict[str, Any]:
    """The keys and values of YAML files, the later ones winning; files that are none are left out.

    Nothing is checked: what comes out serves to name all mistakes at once.
    """
    data: dict[str, Any] = {}
    for file in files:
        with suppress(HistotileError):
            _merge(data, _read_yaml(file))
    return data


def _merge(data: dict[str, Any], changes: dict[str, Any]) -> None:
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(data.get(key), dict):
            _merge(data[key], value)
        else:
            data[key] = value


def standard_config() -> Path:
    """The config.yaml in force: of the working directory, else the one shipped."""
    here = Path("config/config.yaml")
    if here.is_file():
        return here
    packaged = Path(__file__).parent / "config.yaml"
    return packaged if packaged.is_file() else Path(__file__).parents[2] / "config" / "config.yaml"


def render(config: Config) -> str:
    """config.yaml as text: the values, each under what it does and when to change it."""
    head = "# yaml-language-server: $schema=schema.json\n# Values live here and only here."
    return head + "\n" + "\n".join(_render(config, 0)) + "\n"


def schema() -> str:
    """JSON schema of config.yaml, for editors."""
    return json.dumps(Config.model_json_schema(), indent=2, ensure_ascii=False) + "\n"


def _render(section: Section, depth: int) -> Iterator[str]:
    pad = "  " * depth
    for name, info in type(section).model_fields.items():
        value = getattr(section, name)
        if depth == 0:
            yield ""
        comment = value.__doc__ if isinstance(value, Section) else info.description
        yield from (f"{pad}# {line}" for line in textwrap.wrap(comment or "", 96 - len(pad)))
        if isinstance(value, Section):
            yield f"{pad}{name}:"
            yield from _render(value, depth + 1)
        else:
            choices = _choices(info.annotation)
            yield f"{pad}{name}: {_yaml(value)}" + (f"  # {' | '.join(choices)}" if choices else "")


def _choices(annotation: Any) -> list[str]:
    return [a for a in get_args(annotation) if isinstance(a, str)]


def _yaml(value: object) -> str:
    plain = list(value) if isinstance(value, tuple) else value
    text = yaml.safe_dump(plain, default_flow_style=True, allow_unicode=True, width=10_000)
    return text.removesuffix("...\n").strip()


def rewrite(folder: Path = Path("config")) -> None:
    """config.yaml with its values under today's comments, and schema.json beside it."""
    config = read_config(folder / "config.yaml")
    write_text(folder / "config.yaml", render(config))
    write_text(folder / "schema.json", schema())
