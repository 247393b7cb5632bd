"""Networks as ONNX files that need no PyTorch, and what such a file says of itself."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from histotile.errors import HistotileError

_REMEDY = "make it again with the verb that wrote it: train, export or backbone"
_METADATA = 14  # field of ModelProto in onnx.proto; StringStringEntryProto: 1 is key, 2 is value
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # wire types of protobuf


def read_onnx_metadata(path: Path) -> dict[str, Any]:
    """The metadata entry `histotile` of an ONNX file; its weights are skipped.

    Fields of the outermost message are read one by one: a few kilobytes, where the package `onnx`
    takes a third of a second.

    Raises:
        HistotileError: The file is missing, cut short, or histotile did not write it.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            entries = [_fields_of(entry) for entry in _messages(file, size, _METADATA)]
    except (OSError, EOFError, ValueError) as error:
        raise HistotileError(path, f"not a readable ONNX file ({error})", _REMEDY) from error
    notes = {entry.get(1, b""): entry.get(2, b"") for entry in entries}
    if b"histotile" not in notes:
        raise HistotileError(path, "histotile did not write this ONNX file", _REMEDY)
    facts: dict[str, Any] = json.loads(notes[b"histotile"])
    return facts


def torch_only(facts: dict[str, Any]) -> str:
    """Why the file holds no network and PyTorch must run it; "" if it does hold one."""
    return str(facts.get("torch_only", ""))


def _messages(file: BinaryIO, size: int, wanted: int) -> Iterator[bytes]:
    """Contents of all fields of one number, at the outermost level."""
    while file.tell() < size:
        key = _varint(file)
        field, wire = key >> 3, key & 7
        if wire == _VARINT:
            _varint(file)
            continue
        if wire not in (_FIXED64, _BYTES, _FIXED32):
            raise ValueError(f"wire type {wire}")
        length = {_FIXED64: 8, _FIXED32: 4}.get(wire) or _varint(file)
        if file.tell() + length > size:
            raise EOFError("it is cut short")
        if field == wanted:
            yield file.read(length)
        else:
            file.seek(length, os.SEEK_CUR)


def _varint(file: BinaryIO) -> int:
    value = shift = 0
    while True:
        (byte,) = file.read(1) or _cut_short()
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value
        shift += 7


def _cut_short() -> bytes:
    raise EOFError("it is cut short")


def _fields_of(entry: bytes) -> dict[int, bytes]:
    from io import BytesIO

    return {
        number: value
        for number in (1, 2)
        for value in _messages(BytesIO(entry), len(entry), number)
    }
