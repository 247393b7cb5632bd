"""config/README.md: every setting in a table, made of what the comments of config.yaml say."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from histotile.config.values import Section
from histotile.config.yaml_file import read_config, read_synthetic
from histotile.io.atomic import write_text

_HEAD = """# Configuration

<!-- Made by `make config` from src/histotile/config; edit the descriptions there. -->

Settings live in `config/config.yaml`, one section per rule. Every key must be present; a key that
is unknown, or a value out of bounds, stops the run before the first job and names the line. To
change a few keys without editing that file, put them into a YAML file of their own:

    snakemake --configfile config/config.yaml mine.yaml

The slides are listed in the file that `cohort` names, by default `config/slides.csv`: a table with
`slide_id` and `path`, and optionally `patient_id`, `label`, `annotation`, `site`, `mpp`, `split`
and `coordinates`. Threads, memory and queues are not settings: they stand in `profiles/`.

To use the workflow as a module of another one, give the keys to change as `config`; the others
keep the values of the `config.yaml` that comes with it:

    module histotile:
        snakefile: "histotile/Snakefile"
        config: {"cohort": "slides.csv", "results": "results/histotile"}

    use rule * from histotile as histotile_*"""


def render_readme(folder: Path) -> str:
    """The page as Markdown: every key of config.yaml and synthetic.yaml, section by section."""
    config = read_config(folder / "config.yaml")
    made = read_synthetic(folder / "synthetic.yaml")
    return "\n".join([_HEAD, *_tables(config, ""), _MADE, *_tables(made, "")]) + "\n"


_MADE = """
# Synthetic slides

`config/synthetic.yaml` is read by `histotile synthesize` and `pretrain` alone."""


def _tables(section: Section, name: str) -> Iterator[str]:
    """A heading and a table of a section's own keys, then its sub-sections."""
    fields = type(section).model_fields
    parts = {key: getattr(section, key) for key in fields}
    if name:
        yield f"\n## `{name}`\n\n{section.__doc__}"
    if not all(isinstance(value, Section) for value in parts.values()):
        yield "\n| key | value | meaning |\n|---|---|---|"
    for key, value in parts.items():
        if not isinstance(value, Section):
            info = fields[key]
            choices = [word for word in get_args(info.annotation) if isinstance(word, str)]
            meaning = (info.description or "") + (f" One of {_code(choices)}." if choices else "")
            yield f"| `{key}` | `{_shown(value)}` | {meaning.replace('|', chr(92) + '|')} |"
    for key, value in parts.items():
        if isinstance(value, Section):
            yield from _tables(value, f"{name}.{key}".lstrip("."))


def _code(words: list[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def rewrite(folder: Path = Path("config")) -> None:
    """README.md beside config.yaml, from the values there and today's descriptions."""
    write_text(folder / "README.md", render_readme(folder))
