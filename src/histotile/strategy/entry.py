"""What every record is made of: parts that know their own keys, numbers with intervals."""

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from histotile.errors import HistotileError


class Entry(BaseModel):
    """A part of the record; knows no other keys than its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)


E = TypeVar("E", bound=Entry)


class Estimate(Entry):
    """A number with its 95 % interval; the ends are null where it could not be had."""

    value: float
    low: float | None = None
    high: float | None = None


def read_record(path: Path, kind: type[E], verb: str) -> E:
    """The record that a verb wrote.

    Raises:
        HistotileError: It is none of this version.
    """
    try:
        return kind.model_validate_json(path.read_text(encoding="utf-8"))
    except ValidationError as error:
        key = ".".join(map(str, error.errors()[0]["loc"]))
        fact = f"not written by this version of histotile (see `{key}`)"
        raise HistotileError(path, fact, f"run `histotile {verb}` again") from error
