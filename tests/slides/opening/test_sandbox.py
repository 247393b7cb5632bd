"""Work that may die: every way to end becomes a reason, and the caller goes on."""

import json
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from histotile.config import Inspect
from histotile.config.yaml_file import read_config
from histotile.slides.inspection import examine, inspect_slide
from histotile.slides.opening import sandbox
from histotile.slides.opening.sandbox import Died, apart

WriteSlide = Callable[..., Path]
PICTURE = np.random.default_rng(0).integers(0, 255, (300, 400, 3), np.uint8)


@pytest.fixture(scope="module")
def settings(repository: Path) -> Inspect:
    return read_config(repository / "config/config.yaml").inspect


def test_results_come_back() -> None:
    assert apart(sorted, [3, 1, 2]) == [1, 2, 3]


@pytest.mark.parametrize(
    ("function", "arguments", "words"),
    [
        (os.abort, (), r"crashes at it \(signal SIGABRT\)"),
        (signal.raise_signal, (signal.SIGSEGV,), r"\(signal SIGSEGV\)"),
        (signal.raise_signal, (signal.SIGKILL,), "want of memory"),
        (signal.raise_signal, (signal.SIGXCPU,), "600 s of processor time"),
        (os._exit, (7,), "exit code 7"),
        (bytearray, (2 << 30,), "more than 1 GB of memory"),
        (int, ("x",), "fails with ValueError: invalid literal"),
        (dict.__getitem__, ({}, ""), "fails with KeyError"),
    ],
)
def test_every_end_is_a_reason(
    function: Callable[..., Any], arguments: Any, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "_is_alone", lambda: True)  # a fork: these need no fresh process
    with pytest.raises(Died, match=words):
        apart(function, *arguments)


def test_what_hangs_is_ended() -> None:
    begin = time.monotonic()
    with pytest.raises(Died, match=r"had not ended after 0\.5 s"):
        apart(time.sleep, 60, most_s=0.5)
    assert time.monotonic() - begin < 20


def bomb(width: int, tile: int, big: bool = False) -> bytes:
    """A tiled grey TIFF without pixels that claims these sides."""
    tags = {256: width, 257: width, 258: 8, 259: 1, 262: 1, 277: 1}
    tags |= {322: tile, 323: tile, 324: 300, 325: 100}
    if big:
        entries = b"".join(struct.pack("<HHQQ", tag, 4, 1, v) for tag, v in tags.items())
        head = struct.pack("<2sHHHQ", b"II", 43, 8, 0, 16) + struct.pack("<Q", len(tags))
        return (head + entries + bytes(8)).ljust(400, b"\0")
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, v) for tag, v in tags.items())
    head = struct.pack("<2sHI", b"II", 42, 8) + struct.pack("<H", len(tags))
    return (head + entries + bytes(4)).ljust(400, b"\0")


@pytest.mark.parametrize("side", [1 << 16, 1 << 30])
@pytest.mark.parametrize("big", [False, True])
def test_tiles_of_impossible_size_set_the_slide_aside(
    tmp_path: Path, settings: Inspect, side: int, big: bool
) -> None:
    path = tmp_path / "bomb.tif"
    path.write_bytes(bomb(side, side, big))
    found = inspect_slide(path, "bomb", settings)
    assert (found.verdict, found.problem) == ("quarantined", "unreadable")
    assert "sizes that no slide has" in str(found.reason)
    assert found.bytes == 400 and found.checksum


def test_a_header_that_is_no_text_is_named(
    tmp_path: Path, write_slide: WriteSlide, settings: Inspect
) -> None:
    whole = write_slide(tmp_path / "a.svs", PICTURE, aperio=True).read_bytes()
    (tmp_path / "a.svs").write_bytes(whole.replace(b"AppMag", b"App\xe9ag"))
    assert "its header is no text" in str(examine(tmp_path / "a.svs", "a", settings).reason)


def test_tiles_that_no_directory_lists_are_missed(
    tmp_path: Path, write_slide: WriteSlide, settings: Inspect
) -> None:
    """A width that changed bytes made a million px would take for ever to look over."""
    whole = bytearray(write_slide(tmp_path / "a.tif", PICTURE).read_bytes())
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        entry = tiff.pages.first.tags["ImageWidth"].offset
    whole[entry : entry + 12] = struct.pack("<HHII", 256, 4, 1, 1 << 24)
    (tmp_path / "a.tif").write_bytes(whole)
    found = examine(tmp_path / "a.tif", "a", settings)
    assert "lists 35 of the" in str(found.reason)


def test_the_verb_goes_on_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "bomb.tif").write_bytes(bomb((1 << 31) - 1, 1 << 30))
    command = [sys.executable, "-m", "histotile", "inspect", "bomb.tif", "-o", "found.json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads((tmp_path / "found.json").read_text())["verdict"] == "quarantined"


@pytest.mark.slow
def test_changed_header_bytes_never_end_the_program(
    tmp_path: Path, write_slide: WriteSlide, settings: Inspect
) -> None:
    """Many damaged slides: each is read, or set aside with a reason, within a gigabyte."""
    rng = np.random.default_rng(5)
    wholes = [
        write_slide(tmp_path / "a.svs", PICTURE, (1, 4), aperio=True).read_bytes(),
        write_slide(tmp_path / "a.tif", PICTURE, (1, 4)).read_bytes(),
    ]
    for number in range(60):
        damaged = bytearray(wholes[number % 2])
        ends = [*range(400), *range(len(damaged) - 600, len(damaged))]
        for place in rng.choice(ends, 1 + number % 5).tolist():
            damaged[place] = rng.integers(256)
        path = tmp_path / f"m.{'svs' if number % 2 == 0 else 'tif'}"
        path.write_bytes(damaged)
        found = inspect_slide(path, "m", settings, mpp=0.5)
        assert found.verdict == "ok" or found.reason
