"""Jobs and files of a trial, of which nothing is left however it ends."""

import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path


class Ended(Exception):  # noqa: N818 - no error: the trial is over
    """A job was asked for, or cut short, after the end of its trial."""


class Running:
    """Jobs that several threads started; `end` ends them all, with what they have started."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: set[subprocess.Popen[str]] = set()
        self._ended = False

    def run(
        self, command: Sequence[str], folder: Path, environment: Mapping[str, str]
    ) -> tuple[str, str]:
        """What a program says, on its standard output and beside it.

        Each has a process group: a signal to this program alone reaches it by `end`, as does one
        to the group of this program.

        Raises:
            Ended: `end` was called before, or meanwhile.
        """
        with self._lock:
            if self._ended:
                raise Ended
            job = subprocess.Popen(
                command,
                cwd=folder,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                process_group=0,
            )
            self._jobs.add(job)
        try:
            said = job.communicate()
        except BaseException:
            _kill(job)
            job.wait()
            raise
        finally:
            with self._lock:
                self._jobs.discard(job)
        if self._ended:
            raise Ended
        return said

    def end(self) -> None:
        """Kills what runs, and lets nothing start any more."""
        with self._lock:
            self._ended = True
            for job in self._jobs:
                _kill(job)


def _kill(job: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(job.pid, signal.SIGKILL)


@contextmanager
def passing_folder() -> Iterator[Path]:
    """A folder that is gone afterwards, also where a signal ends the program, or two do."""
    folder = tempfile.mkdtemp(prefix="histotile-check-")
    try:
        yield Path(folder)
    finally:
        with _deaf():
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _deaf() -> Iterator[None]:
    """Signals that would end the program are ignored meanwhile."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are for the main thread
        return
    before = {
        number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
