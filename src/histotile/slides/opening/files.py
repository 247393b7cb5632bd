"""The files a slide consists of: one, or an index with its companions."""

import hashlib
import re
from pathlib import Path

from histotile.slides.metadata.dicom import choose_instance, files_beside


def slide_files(path: Path) -> list[Path]:
    """All files a slide's pixels lie in, the index first; empty if there is none.

    Those of a DICOM series are sorted by name: they are the same whichever of them is named.

    Args:
        path: The slide file, or the folder of a DICOM series.

    Raises:
        HistotileError: A folder of several slides, or of none of its DICOM files.
    """
    opened = choose_instance(path)
    if not opened.is_file():
        return []
    series = files_beside(opened)
    return sorted([opened, *series]) if series else [opened, *companions(opened)]


def companions(path: Path) -> list[Path]:
    """The files an index needs beside it, in a fixed order (MIRAX folder, Hamamatsu)."""
    suffix = path.suffix.lower()
    if suffix == ".mrxs":
        folder = path.with_suffix("")
        return sorted(p for p in folder.iterdir() if p.is_file()) if folder.is_dir() else []
    if suffix in {".vms", ".vmu"}:
        return sorted(p for p in named_in(path) if p.is_file())
    return []


def named_in(index: Path) -> list[Path]:
    """The files that a Hamamatsu index names, there or not."""
    text = index.read_bytes().decode("utf-8", "replace")
    names = re.findall(r"^(?:ImageFile|MapFile|OptimisationFile)[^=\n]*=(.+?)\s*$", text, re.M)
    return [index.parent / name for name in names if name]


def checksum(files: list[Path]) -> str:
    """SHA-256 (hex) of the contents of files one after the other; bounded memory."""
    hasher = hashlib.sha256()
    for file in files:
        with file.open("rb") as handle:
            while chunk := handle.read(1 << 20):
                hasher.update(chunk)
    return hasher.hexdigest()
