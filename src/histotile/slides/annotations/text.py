"""The text of an annotation file, however it was packed and encoded."""

import codecs
import gzip
import json
import re
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO

from histotile.errors import HistotileError

_REMEDY = "export the annotations again"
_MOST_BYTES = 500_000_000  # unpacked
_SURE_BYTES, _MOST_RATIO = 30_000_000, 50  # outlines shrink to a third to a tenth, bombs further
_DECLARED = re.compile(rb"""^<\?xml[^>]{0,100}?encoding\s*=\s*["']([\w.:-]{1,40})["']""")
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (b"<\0", "utf-16-le"),
    (b"\0<", "utf-16-be"),
)


def read_json_text(path: Path) -> str:
    """The text of a JSON file: plain, gzipped, or alone in a zip; in any Unicode or Windows-1252.

    Raises:
        HistotileError: A damaged or locked archive, one of several files, one that unpacks to an
            absurd size, or text of an unknown encoding.
    """
    data = _unpacked(path)
    return _decoded(path, data, json.detect_encoding(data))


def read_xml_text(path: Path) -> str:
    """The text of an XML file, in the encoding that it has, whatever it declares.

    Files that declare UTF-16 and are written in bytes (as .NET does), or declare nothing and hold
    Windows-1252, are taken.

    Raises:
        HistotileError: Text of an unknown encoding.
    """
    data = path.read_bytes()
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), None)
    if encoding is None:
        declared = _DECLARED.match(data.lstrip()[:200])
        encoding = declared[1].decode("ascii") if declared else "utf-8"
        if re.sub(r"[^a-z0-9]", "", encoding.lower()).startswith(("utf16", "utf32", "ucs")):
            encoding = "utf-8"
    return _decoded(path, data, encoding).lstrip("\ufeff \t\r\n")


def _decoded(path: Path, data: bytes, encoding: str) -> str:
    is_utf8 = encoding.lower().replace("-", "").startswith("utf8")
    for candidate in (encoding, "cp1252") if is_utf8 else (encoding,):
        try:
            return data.decode(candidate)
        except LookupError as error:
            fact = f"it declares the encoding {encoding!r}, which is none"
            raise HistotileError(path, fact, "save it as UTF-8") from error
        except UnicodeError as error:
            fact = f"its text is not {'UTF-8' if is_utf8 else encoding} ({error})"
            failed = HistotileError(path, fact, "save it as UTF-8")
    raise failed


def _unpacked(path: Path) -> bytes:
    with path.open("rb") as file:
        head = file.read(4)
    size = path.stat().st_size
    try:
        if head[:2] == b"\x1f\x8b":
            with gzip.open(path) as packed:
                return _bounded(path, packed, size)
        if head == b"PK\x03\x04" or head == b"PK\x05\x06":
            with zipfile.ZipFile(path) as archive, archive.open(_only(path, archive)) as member:
                return _bounded(path, member, size)
    except (gzip.BadGzipFile, zipfile.BadZipFile, EOFError, zlib.error, OSError) as error:
        raise HistotileError(path, f"a damaged archive ({error})", _REMEDY) from error
    except (RuntimeError, NotImplementedError) as error:  # zipfile: a password, odd compression
        raise HistotileError(path, f"it cannot be unpacked ({error})", "unpack it") from error
    return path.read_bytes()


def _bounded(path: Path, packed: IO[bytes] | gzip.GzipFile, size: int) -> bytes:
    most = min(_MOST_BYTES, max(_SURE_BYTES, _MOST_RATIO * size))
    data = packed.read(most + 1)
    if len(data) > most:
        fact = f"{size:,} bytes unpack to more than {most:,}"
        raise HistotileError(path, fact, "unpack it, and see whether it is an annotation")
    return data


def _only(path: Path, archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    """The one member that is GeoJSON; folders and what macOS adds do not count."""
    members = [
        item
        for item in archive.infolist()
        if not item.is_dir()
        and "__MACOSX" not in PurePosixPath(item.filename).parts
        and not PurePosixPath(item.filename).name.startswith(".")
    ]
    geojson = [m for m in members if m.filename.lower().endswith((".geojson", ".json"))]
    if len(geojson) == 1:
        return geojson[0]
    named = ", ".join(sorted(m.filename for m in geojson or members)[:5]) or "nothing"
    number = len(geojson) or "no"
    fact = f"it holds {number} GeoJSON file{'s' if len(geojson) > 1 else ''} ({named})"
    raise HistotileError(
        path,
        fact,
        "unpack it and name the files of this slide in `annotation`, as a.geojson;b.geojson",
    )
