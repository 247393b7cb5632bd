"""What is wrong with settings, in the user's words rather than the validator's."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError

from histotile.config.renamed import GONE, KEYS, STRATEGIES
from histotile.io.names import fold, nearest

Key = tuple[str | int, ...]  # where a setting stands, e.g. ("tile", "mpp")


def explain(model: type[BaseModel], error: ValidationError) -> list[tuple[Key, str]]:
    """Each mistake: where it stands, and a sentence with key, value, and what is allowed.

    >>> from histotile.config import Aggregate
    >>> try:
    ...     Aggregate.model_validate({"method": "mean", "top_k": 1, "quantile": "0,9", "boots": 1})
    ... except ValidationError as error:
    ...     for _, sentence in explain(Aggregate, error):
    ...         print(sentence)
    `quantile`: '0,9' is no number; write a decimal point: 0.9
    `calls` is missing
    `bootstraps` is missing
    unknown key `boots`; did you mean `bootstraps`?
    """
    found = error.errors(include_url=False)
    within = {tuple(one["loc"][:-1]) for one in found}
    return [
        (tuple(one["loc"]), sentence)
        for one in found
        if not (str(one["type"]).endswith("too_short") and tuple(one["loc"]) in within)
        for sentence in _sentence(model, tuple(one["loc"]), one).split("\n")
    ]


def _sentence(model: type[BaseModel], key: Key, error: Mapping[str, Any]) -> str:
    kind, name = str(error["type"]), f"`{dotted(key)}`"
    if kind == "extra_forbidden":
        return _unknown(model, key, isinstance(error["input"], Mapping))
    if kind == "missing":
        return f"{name} is missing"
    if kind == "value_error":
        told = str(error["msg"]).removeprefix("Value error, ")
        return f"{name}: {told}" if key else told
    if kind in {"model_type", "model_attributes_type"}:
        return _no_section(model, key, error["input"])
    return f"{name}: {_no_value(_annotation(model, key), kind, error)}"


def dotted(key: Key) -> str:
    """The key as people write it, e.g. "tile.labels.source"; positions in lists count from 1."""
    words = [f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in key]
    return "".join(words).removeprefix(".")


def _unknown(model: type[BaseModel], key: Key, is_section: bool) -> str:
    """What an unknown key was meant to be: a sibling spelt otherwise, or a key of another level."""
    *parents, last = key
    wrong, name = str(last), dotted(key)
    siblings = list(_fields(model, tuple(parents)))
    if KEYS.get(wrong) in siblings:
        return f"`{name}` is now `{dotted((*parents, KEYS[wrong]))}`"
    if wrong in GONE:
        return f"`{name}` {GONE[wrong]}"
    near = nearest(wrong, siblings)
    places = [path for path in _every_key(model) if path[-1] == wrong]
    if places and not (near and (is_section or fold(near) == fold(wrong))):
        under = " or ".join(f"`{dotted(p[:-1])}`" if p[:-1] else "no section" for p in places)
        return f"`{wrong}` belongs under {under}, not {_level(parents)}: mend its indentation"
    if near:
        return f"unknown key `{name}`; did you mean `{dotted((*parents, near))}`?"
    elsewhere = nearest(wrong, [str(path[-1]) for path in _every_key(model)])
    meant = next((path for path in _every_key(model) if path[-1] == elsewhere), None)
    if meant:
        return f"unknown key `{name}`; did you mean `{dotted(meant)}`?"
    return f"unknown key `{name}`; known {_level(parents)} are {', '.join(siblings)}"


def _level(parents: Sequence[str | int]) -> str:
    return f"under `{dotted(tuple(parents))}`" if parents else "at the outermost level"


def _no_section(model: type[BaseModel], key: Key, value: object) -> str:
    """A section that holds no keys, most often because they are not indented."""
    known = ", ".join(list(_fields(model, key))[:3])
    name = f"`{dotted(key)}`" if key else "this"
    if value is None:
        return f"{name} is empty: indent its keys ({known}, ...) by two spaces more than {name}"
    return f"{name}: {_shown(value)} is no section; its keys are {known}, ..."


def _no_value(annotation: Any, kind: str, error: Mapping[str, Any]) -> str:
    value, told = error["input"], str(error["msg"])
    words = list(_words(annotation))
    if kind == "literal_error" and (now := STRATEGIES.get(str(value))) in words:
        return f"{_shown(value)} is now {now}"
    if kind == "literal_error" and words:
        near = nearest(str(value), words)
        hint = f"; did you mean `{near}`?" if near else ""
        return f"{_shown(value)} is none of {', '.join(words)}{hint}"
    if kind.startswith(("float", "int", "finite")):
        return _no_number(value, whole=kind.startswith("int"))
    if kind.startswith("bool"):
        return f"{_shown(value)} is neither true nor false"
    if kind == "string_type":
        return f"{_shown(value)} is no text; write it in quotes: '{value}'"
    if kind in {"tuple_type", "list_type"}:
        return f"{_shown(value)} is no list; write [{value}]"
    if kind in {"dict_type", "mapping_type"}:
        return f"{_shown(value)} is no mapping; write {{key: value}}"
    if kind in {"too_short", "tuple_too_short"}:
        return f"{_shown(value)} is too short: {_bound(told)}"
    return f"is {_shown(value)}; {_bound(told)}"


def _no_number(value: object, whole: bool) -> str:
    number = "whole number" if whole else "number"
    text = str(value).strip()
    if re.fullmatch(r"[+-]?\d+,\d+", text) and not whole:
        return f"{_shown(value)} is no number; write a decimal point: {text.replace(',', '.')}"
    if whole and re.fullmatch(r"\d+(\.\d+)?e\+?\d", text, re.I) and float(text).is_integer():
        return f"{_shown(value)} is no {number}; write {int(float(text))}"
    found = re.match(r"[+-]?\d+(\.\d+)?(?=\s*[a-zA-Zµ%])", text)
    hint = f"; write {found[0]} alone, without a unit" if found else ""
    return f"{_shown(value)} is no {number}{hint}"


def _bound(told: str) -> str:
    """What the validator asks for, e.g. "it must be greater than 0"."""
    asked = re.sub(r"^\w+ should (be|have)", r"it must \1", told)
    return re.sub(r" after validation, not \d+", "", asked)


def _shown(value: object) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _annotation(model: type[BaseModel], key: Key) -> Any:
    """The type of the setting at a key; None if there is no such setting."""
    found: Any = model
    for part in key:
        if isinstance(found, type) and issubclass(found, BaseModel):
            info = found.model_fields.get(str(part))
            found = info.annotation if info else None
    return found


def _fields(model: type[BaseModel], key: Key) -> Mapping[str, Any]:
    found = _annotation(model, key)
    is_section = isinstance(found, type) and issubclass(found, BaseModel)
    return found.model_fields if is_section else {}


def _every_key(model: type[BaseModel], above: Key = ()) -> Iterator[Key]:
    for name, info in model.model_fields.items():
        yield (*above, name)
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            yield from _every_key(info.annotation, (*above, name))


def _words(annotation: Any) -> Iterator[str]:
    """The allowed words, of a list's entries too."""
    if get_origin(annotation) is Literal:
        yield from map(str, get_args(annotation))
    else:
        for inner in get_args(annotation):
            yield from _words(inner)
