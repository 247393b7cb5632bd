"""Reading, checking and writing config.yaml and synthetic.yaml."""

import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import ValidationError

from histotile.config import Config, Synthetic
from histotile.config.messages import explain
from histotile.config.values import Section
from histotile.errors import HistotileError
from histotile.io.atomic import write_text
from histotile.io.text import project
from histotile.io.text.text_file import read_text
from histotile.io.text.yaml_file import LOADER, read_yaml

S = TypeVar("S", bound=Section)


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
        HistotileError: What `read_yaml` refuses, or settings that do not hold.
    """
    return _read(Config, path, overlay)


def read_synthetic(path: Path, overlay: Path | None = None) -> Synthetic:
    """What `read_config` gives, of a synthetic.yaml."""
    return _read(Synthetic, path, overlay)


def _read(section: type[S], path: Path, overlay: Path | None) -> S:
    data = read_yaml(path, section)
    if overlay is not None:
        _merge(data, read_yaml(overlay, section))
    return validate(section, data, str(overlay or path))


def as_written(config: dict[str, Any], paths: Sequence[Path]) -> dict[str, Any]:
    """Settings that another program has read from YAML files, with text as the files write it.

    Snakemake reads `classes: [0, 1]` as numbers, and keeps the last of keys written twice.

    Args:
        config: The settings; what is in none of the files stays as it is.
        paths: The files, each changing keys of those before.

    Raises:
        HistotileError: What `read_yaml` refuses.
    """
    plain: dict[str, Any] = {}
    written: dict[str, Any] = {}
    for path in paths:
        _merge(written, read_yaml(path, Config))
        _merge(plain, yaml.load(read_text(path), LOADER))
    restored: dict[str, Any] = _restore(config, plain, written)
    return restored


def check_utf8(path: Path) -> None:
    """Nothing, if Snakemake can read the file.

    Raises:
        HistotileError: It is not UTF-8, or `read_yaml` refuses it.
    """
    read_yaml(path, Config)
    try:
        path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        fact = "Snakemake reads UTF-8 alone, and this file is none"
        raise HistotileError(path, fact, "save it as UTF-8 in your editor") from error


def _restore(config: Any, plain: Any, written: Any) -> Any:
    if config == plain:
        return written
    if not (isinstance(config, dict) and isinstance(plain, dict) and isinstance(written, dict)):
        return config
    names = {yaml.load(name, LOADER) if name not in plain else name: name for name in written}
    return {
        names.get(key, key): (
            _restore(value, plain[key], written[names[key]])
            if key in plain and key in names
            else value
        )
        for key, value in config.items()
    }


def read_settings(path: Path) -> dict[str, Any]:
    """The keys and values of a YAML file as they stand there.

    Raises:
        HistotileError: No such file, or no YAML.
    """
    return read_yaml(path, Config)


def merged_settings(files: Sequence[Path]) -> dict[str, Any]:
    """The keys and values of YAML files, the later ones winning; files that are none are left out.

    Nothing is checked: what comes out serves to name all mistakes at once.
    """
    data: dict[str, Any] = {}
    for file in files:
        with suppress(HistotileError):
            _merge(data, read_yaml(file, Config))
    return data


def over_standard(changes: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """The settings of a YAML file with some changed, e.g. by a workflow that uses this as a module.

    Raises:
        HistotileError: No such file, or no YAML.
    """
    data = read_yaml(path, Config)
    _merge(data, changes)
    return data


def _merge(data: dict[str, Any], changes: Mapping[str, Any]) -> None:
    for key, value in changes.items():
        if isinstance(value, Mapping) and isinstance(data.get(key), dict):
            _merge(data[key], value)
        else:
            data[key] = value


def standard_config(name: str = "config.yaml") -> Path:
    """The file of settings in force: of the working directory, else the one shipped."""
    here = Path("config") / name
    return here if here.is_file() else project.source() / here


def render(config: Config | Synthetic) -> str:
    """The settings as YAML: the values, each under what it does and when to change it."""
    schema = "# yaml-language-server: $schema=schema.json\n" * isinstance(config, Config)
    head = f"{schema}# Values live here and only here."
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
    """Both files with their values under today's comments, and config.yaml's schema.json."""
    write_text(folder / "config.yaml", render(read_config(folder / "config.yaml")))
    write_text(folder / "synthetic.yaml", render(read_synthetic(folder / "synthetic.yaml")))
    write_text(folder / "schema.json", schema())
