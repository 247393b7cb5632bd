"""Settings: what is wrong with them, and what of them can still be used to look further."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from histotile.checks.problem import Problem, attempt
from histotile.config import Config
from histotile.config.messages import Key, explain
from histotile.config.yaml_file import read_settings, standard_config
from histotile.errors import HistotileError

Data = dict[str, Any]
_REMEDY = "see the comments in config/config.yaml"
_ROUNDS = 4  # mending one mistake can bring another to light


@dataclass(frozen=True)
class Settings:
    """Settings to look further with.

    Attributes:
        config: The settings; what was wrong is replaced by what the standard config.yaml has. None
            where too much is wrong.
        wrong: Outermost keys that were wrong: what hangs on them is not looked at.
    """

    config: Config | None
    wrong: frozenset[str]


def check_settings(
    data: Mapping[str, Any], files: Sequence[Path], problems: list[Problem]
) -> Settings:
    """The settings, as far as they hold.

    Args:
        data: All keys and values, merged.
        files: Where they were read from, the later ones winning.
        problems: Grows by what is wrong.
    """
    sources = [(file, read) for file in files if (read := attempt(problems, read_settings, file))]
    standard = _standard()
    if len(sources) < len(files):  # what the others hold would be called wrong without reason
        return Settings(None, frozenset())
    mended, wrong, told = copy.deepcopy(dict(data)), set[str](), set[str]()
    for _ in range(_ROUNDS):
        try:
            return Settings(Config.model_validate(mended), frozenset(wrong))
        except ValidationError as error:
            for key, sentence in explain(Config, error):
                if sentence not in told:
                    problems.append(Problem("error", _source(sources, key), sentence, _REMEDY))
                told.add(sentence)
                wrong.add(str(key[0]) if key else "classes")
                _mend(mended, key, standard)
    return Settings(None, frozenset(wrong))


def _standard() -> Data:
    try:
        return read_settings(standard_config())
    except HistotileError:  # told already: it is one of the files
        return {}


def _source(sources: Sequence[tuple[Path, Data]], key: Key) -> str:
    """The last file that holds the key; the last of all where none does."""
    for file, data in reversed(sources):
        found: Any = data
        for part in key:
            if isinstance(part, str):
                found = found.get(part, _ABSENT) if isinstance(found, dict) else _ABSENT
        if key and found is not _ABSENT:
            return _short(file)
    return _short(sources[-1][0]) if sources else "config"


def _short(file: Path) -> str:
    """A path as people write it, from the working directory where it lies below."""
    here = Path.cwd()
    return str(file.relative_to(here) if file.is_relative_to(here) else file)


_ABSENT: Any = object()


def _mend(data: Data, key: Key, standard: Data) -> None:
    """Puts the standard value in place of a wrong one; takes an unknown key away."""
    names = [part for part in key if isinstance(part, str)]
    if not names:  # names that are no classes
        data["tile"]["labels"] |= {"names": {}, "outside": None}
        data["heatmap"]["class_name"] = None
        return
    *parents, last = names
    place, right = data, standard
    for name in parents:
        if not isinstance(place.get(name), dict):
            last = name
            break
        place, right = place[name], right.get(name, {}) if isinstance(right, dict) else {}
    if isinstance(right, dict) and last in right:
        place[last] = copy.deepcopy(right[last])
    else:
        place.pop(last, None)
