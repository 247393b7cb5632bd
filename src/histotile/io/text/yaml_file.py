"""YAML files that people write: no key twice, and text as it is written where text is wanted.

YAML reads `0`, `no` and `001` as a number, a boolean and a number. Where a setting is text, as the
name of a class is, they are taken as they stand.
"""

from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, NoReturn, Union, get_args, get_origin

import yaml
from pydantic import BaseModel

from histotile.errors import HistotileError
from histotile.io.text.text_file import read_text

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C one is ten times as fast
_TAG = "tag:yaml.org,2002:"
_AS_WRITTEN = {f"{_TAG}{kind}" for kind in ("int", "float", "bool", "timestamp")}


def read_yaml(path: Path, wanted: Any) -> dict[str, Any]:
    """The mapping in a YAML file.

    Args:
        path: The file, in any encoding that `read_text` reads.
        wanted: The section (a pydantic model) it is meant for.

    Raises:
        HistotileError: No such file, no YAML, no mapping; a key written twice, or that is no word;
            a decimal comma that parts a value. The line is named.
    """
    if not path.is_file():
        raise HistotileError(path, "there is no such file", "start from config/config.yaml")
    data = _Reader(path, read_text(path)).whole(wanted)
    if not isinstance(data, dict):
        raise HistotileError(path, "holds no settings", "start from config/config.yaml")
    return data


def read_value(subject: str, text: str, wanted: Any) -> Any:
    """The value in a text, e.g. of `--set key=value`, for a setting of this type.

    Raises:
        HistotileError: As `read_yaml`.
    """
    return _Reader(subject, text).whole(wanted)


def type_of_key(wanted: Any, name: str) -> Any:
    """The type wanted under a key; Any where nothing is known of it."""
    if model := _model(wanted):
        field = model.model_fields.get(name)
        return field.annotation if field else Any
    return next((get_args(o)[1] for o in _options(wanted) if get_origin(o) is dict), Any)


class _Reader:
    """Builds what a text says, guided by the types that are wanted.

    Args:
        subject: Named in errors.
        text: The YAML.
    """

    def __init__(self, subject: object, text: str) -> None:
        self.subject = subject
        self.text = text
        self.open: set[int] = set()  # nodes being built: an alias of one would have no end
        self.known: dict[tuple[int, str], Any] = {}

    def whole(self, wanted: Any) -> Any:
        try:
            self.loader = LOADER(self.text)
            node = self.loader.get_single_node()
            return None if node is None else self.build(node, wanted, "")
        except (yaml.YAMLError, ValueError) as error:
            mark = getattr(error, "problem_mark", None)
            lines = self.text.splitlines()
            line = lines[mark.line] if mark and mark.line < len(lines) else ""
            tab = "\t" in line[: len(line) - len(line.lstrip())]
            problem = getattr(error, "problem", None) or str(error)
            fact = (f"line {mark.line + 1}: " if mark else "") + f"no YAML ({problem})"
            remedy = "indent with spaces, not with tabs" if tab else "mend the line named"
            raise HistotileError(self.subject, fact, remedy) from error

    def build(self, node: Any, wanted: Any, key: str) -> Any:
        """What a node says; each is built once, however many aliases it has."""
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, wanted)
        if id(node) in self.open:
            self._refuse(node, f"{key} holds itself by an alias", "write it out")
        place = id(node), repr(wanted)
        if place not in self.known:
            self.open.add(id(node))
            is_mapping = isinstance(node, yaml.MappingNode)
            self.known[place] = (self._mapping if is_mapping else self._list)(node, wanted, key)
            self.open.remove(id(node))
        return self.known[place]

    def _mapping(self, node: Any, wanted: Any, key: str) -> dict[str, Any]:
        seen: dict[str, int] = {}
        for name, value in node.value:
            if not isinstance(name, yaml.ScalarNode):
                self._refuse(name, f"a key of {key or 'the file'} is no word", "write a word")
            if name.value in seen:
                twice = (
                    f"`{_join(key, name.value)}` is written twice, in line {seen[name.value]} too"
                )
                self._refuse(name, twice, "YAML would keep the last alone: put both in one place")
            seen[name.value] = name.start_mark.line + 1
            if name.tag in _AS_WRITTEN and value.value == "" and _model(wanted):
                comma = f"`{name.value}` stands as a key in {key or 'the file'}"
                self._refuse(name, comma, "write decimals with a point: 0.5")
        self.loader.flatten_mapping(node)  # `<<: *alias`
        return {
            name.value: self.build(value, type_of_key(wanted, name.value), _join(key, name.value))
            for name, value in node.value
        }

    def _list(self, node: Any, wanted: Any, key: str) -> list[Any]:
        item = next((get_args(o)[0] for o in _options(wanted) if _holds_items(o)), Any)
        return [self.build(part, item, key) for part in node.value]

    def _scalar(self, node: Any, wanted: Any) -> Any:
        if node.tag in _AS_WRITTEN and _is_text(wanted):
            return node.value
        return self.loader.construct_object(node, deep=True)

    def _refuse(self, node: Any, fact: str, remedy: str) -> NoReturn:
        raise HistotileError(self.subject, f"line {node.start_mark.line + 1}: {fact}", remedy)


def _options(wanted: Any) -> Iterator[Any]:
    """The types that a value may have: those of a union, without None, one by one."""
    origin = get_origin(wanted)
    if origin is Annotated:
        yield from _options(get_args(wanted)[0])
    elif origin in (Union, UnionType):
        for option in get_args(wanted):
            yield from _options(option)
    elif wanted is not type(None):
        yield wanted


def _is_text(wanted: Any) -> bool:
    options = list(_options(wanted))
    return all(
        option is str
        or (get_origin(option) is Literal and all(isinstance(a, str) for a in get_args(option)))
        for option in options
    ) and bool(options)


def _holds_items(option: Any) -> bool:
    return get_origin(option) in (tuple, list, set, frozenset)


def _model(wanted: Any) -> type[BaseModel] | None:
    models = (o for o in _options(wanted) if isinstance(o, type) and issubclass(o, BaseModel))
    return next(models, None)


def _join(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name
