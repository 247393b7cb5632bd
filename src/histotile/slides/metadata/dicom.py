"""Which DICOM files are one slide: those of one series. Headers alone are read."""

import struct
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from histotile.errors import HistotileError

VOLUME = "VOLUME"  # the third word of ImageType where a file holds a level of the slide
Tag = tuple[int, int]


class Instance(NamedTuple):
    """A DICOM file of a slide.

    Attributes:
        path: The file.
        series: Its SeriesInstanceUID, which all files of the slide share.
        kind: What it shows: "VOLUME", "LABEL", "OVERVIEW" or "THUMBNAIL".
    """

    path: Path
    series: str
    kind: str


def read_instance(path: Path) -> Instance | None:
    """What a file says of itself; None if it is no DICOM, or names no series."""
    with path.open("rb") as file:
        if file.read(132)[128:] != b"DICM":
            return None
        found = _texts(file.read(_HEAD))
    words = [*found.get(_IMAGE_TYPE, "").split("\\"), "", "", ""]
    return Instance(path, found[_SERIES], words[2]) if _SERIES in found else None


def find_series(folder: Path) -> dict[str, list[Instance]]:
    """Series -> its files in a folder, by name; empty if the folder holds no DICOM."""
    found: dict[str, list[Instance]] = defaultdict(list)
    for path in sorted(folder.iterdir()):
        with suppress(OSError):  # what cannot be read is not known to belong to a slide
            instance = read_instance(path) if path.is_file() else None
            if instance is not None:
                found[instance.series].append(instance)
    return dict(found)


def choose_instance(path: Path) -> Path:
    """The file by which a slide is opened: the path, or of a folder of a series one of its levels.

    Raises:
        HistotileError: The folder holds several series, or label and overview without the slide.
    """
    if not path.is_dir() or not (series := find_series(path)):
        return path
    slides = [files for files in series.values() if any(f.kind == VOLUME for f in files)]
    if not slides:
        kinds = {file.kind.lower() for files in series.values() for file in files}
        fact = f"its DICOM files hold no level of a slide, but: {', '.join(sorted(kinds))}"
        raise HistotileError(path, fact, "name the folder or file of the slide itself")
    if len(slides) > 1:
        fact = f"{len(slides)} DICOM series, that is slides, lie in this folder"
        names = ", ".join(_level_of(files).name for files in slides[:5])
        raise HistotileError(path, fact, f"name one file of the slide instead, such as {names}")
    return _level_of(slides[0])


def files_beside(path: Path) -> list[Path]:
    """The other files of a DICOM file's series, by name; empty of any other file."""
    own = read_instance(path)
    files = find_series(path.parent).get(own.series, []) if own else []
    return [file.path for file in files if file.path != path]


def remark(path: Path) -> list[str]:
    """A sentence if a file is the label, overview or thumbnail of the slide it is taken for."""
    own = read_instance(path) if path.is_file() else None
    if own is None or own.kind in {"", VOLUME}:
        return []
    return [f"{path.name} is the {own.kind.lower()} of a slide; the levels beside it are read"]


def _level_of(files: list[Instance]) -> Path:
    return next(file.path for file in files if file.kind == VOLUME)


_HEAD = 1 << 17  # bytes: what is looked for stands before pixels and colour profiles
_SYNTAX, _IMAGE_TYPE, _SERIES = (0x0002, 0x0010), (0x0008, 0x0008), (0x0020, 0x000E)
_DELIMITERS, _ENDS = 0xFFFE, {0xE00D, 0xE0DD}  # of items and sequences
_LONG = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
_OPEN_ENDED = 0xFFFFFFFF
_IMPLICIT = "1.2.840.10008.1.2"  # a syntax that does not tell the types of its values


def _texts(data: bytes) -> dict[Tag, str]:
    """The values looked for, of the data set itself: those inside of sequences are of others."""
    found: dict[Tag, str] = {}
    position, tag = 0, (0, 0)
    with suppress(struct.error):  # the header ends, or is none: what was read until here counts
        while tag < _SERIES:
            tag = struct.unpack_from("<HH", data, position)
            implicit = tag[0] > 2 and found.get(_SYNTAX) == _IMPLICIT
            begin, length = _value(data, position, implicit)
            if length == _OPEN_ENDED:
                position = _end_of_sequence(data, begin, implicit)
                continue
            position = begin + length
            if tag in {_SYNTAX, _IMAGE_TYPE, _SERIES}:
                found[tag] = data[begin:position].decode("ascii", "replace").strip("\0 ")
    return found


def _value(data: bytes, position: int, implicit: bool) -> tuple[int, int]:
    """Where the value of an element begins, and its length."""
    if implicit:
        return position + 8, struct.unpack_from("<I", data, position + 4)[0]
    if data[position + 4 : position + 6] in _LONG:
        return position + 12, struct.unpack_from("<I", data, position + 8)[0]
    return position + 8, struct.unpack_from("<H", data, position + 6)[0]


def _end_of_sequence(data: bytes, position: int, implicit: bool) -> int:
    """Behind a sequence of unstated length, whatever lies in it."""
    depth = 1
    while depth:
        group, element = struct.unpack_from("<HH", data, position)
        delimits = group == _DELIMITERS
        position, length = _value(data, position, implicit or delimits)
        if delimits and element in _ENDS:
            depth -= 1
        elif length == _OPEN_ENDED:
            depth += 1
        else:
            position += length
    return position
