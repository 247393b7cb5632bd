"""The journal of trials: an append-only file that outlives whoever writes it."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from histotile.errors import HistotileError

if TYPE_CHECKING:
    from optuna.storages import JournalStorage

_CHUNK = 1 << 16


def check_optuna() -> None:
    """Nothing, if trials can be proposed.

    Raises:
        HistotileError: Optuna is not installed.
    """
    if find_spec("optuna") is None:
        fact = "needs the package optuna, which is not installed"
        raise HistotileError("tune", fact, "pip install 'histotile[tune]', or pip install optuna")


@contextmanager
def opened(path: Path) -> "Iterator[JournalStorage]":
    """The journal, for this process alone.

    What a killed process left half done is put right: its last line, if it was cut short, and the
    lock that it held.

    Raises:
        HistotileError: Another process writes it, or it is no journal.
    """
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            fact = "another `histotile tune` writes it"
            raise HistotileError(path, fact, "wait for it, or name another output") from error
        except OSError as error:
            remedy = "name an output on another disk"
            raise HistotileError(path, f"cannot be locked: {error}", remedy) from error
        path.with_name(f"{path.name}.lock").unlink(missing_ok=True)
        try:
            handle.truncate(_end_of_lines(path))
            storage = JournalStorage(JournalFileBackend(str(path), JournalFileOpenLock(str(path))))
        except (ValueError, KeyError, TypeError) as error:
            fact = f"is no journal of trials ({error})"
            remedy = "take it away: the search then starts anew"
            raise HistotileError(path, fact, remedy) from error
        yield storage


def _end_of_lines(path: Path) -> int:
    """Bytes up to the end of the last whole line.

    Raises:
        ValueError: Its first line is no entry of a journal, not even one cut short.
    """
    with path.open("rb") as handle:
        if handle.read(1) not in {b"", b"{"}:
            raise ValueError("its first line is no entry")
        end = handle.seek(0, 2)
        while end:
            start = max(0, end - _CHUNK)
            handle.seek(start)
            found = handle.read(end - start).rfind(b"\n")
            if found >= 0:
                return start + found + 1
            end = start
    return 0
