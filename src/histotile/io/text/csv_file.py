"""CSV files: those that people write are read strictly, and as their programs save them."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from histotile.errors import HistotileError
from histotile.io.atomic import write_text
from histotile.io.names import choose, nearest
from histotile.io.text.text_file import read_text

_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
_EDGES = "\ufeff\u200b\u200c\u200d\u200e\u200f\u2060"  # invisible, and no spaces to `strip`
_NUMBER = re.compile(r"[+-]?(\d+[.,]?\d*|[.,]\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_NAMED = 20


@dataclass(frozen=True)
class CsvFile:
    """A CSV file whose rows all fit its header.

    Attributes:
        path: The file.
        columns: Names in its header.
        rows: Column -> cell, without spaces around it, of every row that is not empty.
        numbers: The line each row begins in, as editors and spreadsheets count; the header has 1.
    """

    path: Path
    columns: tuple[str, ...]
    rows: list[dict[str, str]]
    numbers: list[int]

    def __iter__(self) -> Iterator[tuple[int, dict[str, str]]]:
        """The number and the cells of each row."""
        return iter(zip(self.numbers, self.rows, strict=True))


def read_csv_file(
    path: Path, known: Mapping[str, Sequence[str]], long_cells: bool = False
) -> CsvFile:
    """The rows of a CSV file, separated by commas, semicolons or tabs, in what `read_text` reads.

    Empty rows, and empty cells behind those of the header, are passed over.

    Args:
        path: The file.
        known: Column -> other words for it; the separator is the one that gives most of them.
        long_cells: Whether cells may go over several lines, as reasons in our own ledgers may.

    Raises:
        HistotileError: What `read_text` refuses; an empty file; a column named twice; rows that do
            not fit the header, a cell over several lines or a quote that is not closed.
    """
    text = read_text(path)
    separator, text, first = _separator(text, known)
    rows = list(_parse(path, text, separator, first))
    if not rows:
        raise HistotileError(path, "it is empty", f"begin with a header: {', '.join(known)}")
    columns = _header(path, rows[0][1])
    problems = []
    found = CsvFile(path, tuple(name for name in columns if name), [], [])
    for number, cells in rows[1:]:
        if problem := _misfit(cells, columns, long_cells):
            problems.append(f"row {number} has {problem}")
            continue
        found.numbers.append(number)
        cells_of = zip(columns, cells, strict=False)  # empty ones may follow
        found.rows.append({name: cell for name, cell in cells_of if name})
    if problems:
        remedy = (
            f"its cells are separated by {_SEPARATORS[separator]}: put cells that hold one in "
            'quotes ("a,b"), write decimals with a point (1.05), close every quote, and give '
            "every row a cell for each column"
        )
        raise HistotileError(path, some(problems), remedy, problems)
    return found


def read_header(path: Path, known: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The names of the columns of a CSV file, see `read_csv_file`; none if it is empty."""
    separator, text, first = _separator(read_text(path), known)
    _, cells = next(_parse(path, text, separator, first), (0, []))
    return tuple(filter(None, cells))


def check_columns(
    found: CsvFile,
    required: Sequence[str],
    optional: Sequence[str],
    known: Mapping[str, Sequence[str]],
) -> None:
    """Nothing, if the header has all required columns and no unknown one.

    Raises:
        HistotileError: It has not; columns that were probably meant are named.
    """
    allowed = (*required, *optional)
    missing = [name for name in required if name not in found.columns]
    unknown = [name for name in found.columns if name not in allowed]
    if missing or unknown:
        free = [name for name in allowed if name not in found.columns]
        meant = [
            (n, choose(n, {f: known.get(f, ()) for f in free}) or nearest(n, free)) for n in unknown
        ]
        missing = [name for name in missing if name not in {word for _, word in meant}]
        parts = [f"missing column {name!r}" for name in missing]
        parts += [
            f"unknown column {name!r}" + (f": did you mean {word!r}?" if word else "")
            for name, word in meant
        ]
        remedy = (
            f"use the columns {', '.join(required)} and, optionally, {', '.join(optional)}, "
            "separated by commas, semicolons or tabs"
        )
        raise HistotileError(found.path, "; ".join(parts), remedy, parts)


def write_columns(path: Path, columns: Mapping[str, Sequence[Any]]) -> None:
    """A CSV file with a header; None is an empty cell."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    write_text(path, text.getvalue())


def decimal(text: str) -> float | None:
    """The number in a cell, written with a decimal point or comma; None if it is none.

    >>> decimal("0,25"), decimal("1e-3"), decimal("1.000,5"), decimal("nan")
    (0.25, 0.001, None, None)
    """
    return float(text.replace(",", ".")) if _NUMBER.fullmatch(text) else None


def some(words: Iterable[str], between: str = "; ") -> str:
    """The words in one line, those beyond the twentieth only counted."""
    listed = list(words)
    more = f"{between}and {len(listed) - _NAMED} more" if len(listed) > _NAMED else ""
    return between.join(listed[:_NAMED]) + more


def _separator(text: str, known: Mapping[str, Sequence[str]]) -> tuple[str, str, int]:
    """What separates cells, the text to be read, and the number of its first line."""
    said = re.match(r'"?sep=([,;\t])"?[,;\t]*(\r\n|\r|\n)', text)  # Excel's own first line
    if said:
        return said[1], text[said.end() :], 2
    header = next((line for line in text.splitlines() if line.strip()), "")

    def fitting(separator: str) -> tuple[int, int]:
        try:
            row = next(csv.reader([header], delimiter=separator), [])
        except csv.Error:  # as `_parse` says
            return 0, 0
        cells = [_clean(cell) for cell in row]
        return sum(choose(cell, known) is not None for cell in cells if cell), len(cells)

    return max(_SEPARATORS, key=fitting), text, 1


def _parse(path: Path, text: str, separator: str, first: int) -> Iterator[tuple[int, list[str]]]:
    """Number and cells of every row that is not empty."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    line = 0
    try:
        for row in reader:
            cells = [_clean(cell) for cell in row]
            if any(cells):
                yield line + first, cells
            line = reader.line_num
    except csv.Error as error:
        fact = f"row {line + first} cannot be read ({error})"
        remedy = 'close every quote; a quote inside a quoted cell is written twice ("")'
        raise HistotileError(path, fact, remedy) from error


def _header(path: Path, cells: list[str]) -> list[str]:
    twice = [name for name, count in Counter(filter(None, cells)).items() if count > 1]
    if twice:
        fact = f"its header names column(s) {', '.join(map(repr, twice))} twice"
        raise HistotileError(path, fact, "leave one of each, or rename the others")
    while not cells[-1]:
        cells = cells[:-1]
    return cells


def _misfit(cells: list[str], columns: list[str], long_cells: bool) -> str | None:
    """How a row does not fit its header."""
    if len(cells) < len(columns) or any(cells[len(columns) :]):
        return f"{len(cells)} cells, the header {len(columns)}"
    if any(cell and not name for cell, name in zip(cells, columns, strict=False)):
        return "a cell under a column without a name"
    if not long_cells and any("\n" in cell or "\r" in cell for cell in cells):
        return "a cell over several lines"
    return None


def _clean(cell: str) -> str:
    """A cell without what stands around its text, `="001"` of spreadsheets among it."""
    text = cell.strip()
    if not text.isascii():
        text = text.strip(_EDGES).strip()
    return text[2:-1] if text.startswith('="') and text.endswith('"') else text
