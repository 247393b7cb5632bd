"""Work in a process of its own, which may die without taking the program with it."""

import faulthandler
import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

MOST_BYTES = 1 << 30  # of memory: what a slide, however large, needs less than
MOST_CPU_S = 600
MOST_S = 3600  # on the clock: storage may be slow


class Died(Exception):  # noqa: N818 - a finding: the caller goes on
    """The work ended without a result; says why in words."""


def apart(function: Callable[..., Any], *arguments: Any, most_s: float = MOST_S) -> Any:
    """What a function returns, computed in a process that may crash, hang or ask for too much.

    A program that has but one thread and loaded little, as a verb in its beginning, is forked,
    which costs a few milliseconds; any other starts a fresh one, as locks that its threads hold
    would never open in a copy.

    Args:
        function: One of a module's own; imports what is heavy itself.
        arguments: Its arguments; they and the result can be pickled.
        most_s: Seconds on the clock after which the process is ended.

    Raises:
        Died: A signal, an exception, too much memory or time ended it.
    """
    fork, fresh = multiprocessing.get_context("fork"), multiprocessing.get_context("spawn")
    context = fork if _is_alone() else fresh
    receiver, sender = context.Pipe(duplex=False)
    with tempfile.TemporaryDirectory(prefix="histotile-") as folder:
        said = Path(folder) / "said"
        child = context.Process(target=_work, args=(sender, said, function, arguments))
        child.start()
        sender.close()
        try:
            works, found = receiver.recv() if receiver.poll(most_s) else (False, _late(most_s))
        except EOFError:
            child.join()
            works, found = False, _death(child.exitcode or 0, _read(said))
        finally:
            child.kill()
            child.join()
            receiver.close()
        if not works:
            raise Died(found)
        sys.stderr.write(_read(said))
    return found


def _is_alone() -> bool:
    """Whether a copy of this process would be whole: no thread but this one, as far as known."""
    tasks = Path("/proc/self/task")
    heavy = {"torch", "cv2", "openslide"} & set(sys.modules)
    return not heavy and tasks.is_dir() and len(list(tasks.iterdir())) == 1


def _work(
    sender: "Connection[Any, Any]", said: Path, function: Callable[..., Any], arguments: Any
) -> None:
    # Libraries start as many threads as there are cores, whose stacks would count as memory.
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    faulthandler.disable()  # a copy would report the crash as the program's own
    os.dup2(os.open(said, os.O_WRONLY | os.O_CREAT), 2)
    _limit()
    try:
        answer: tuple[bool, Any] = True, function(*arguments)
    except MemoryError:
        answer = False, _TOO_LARGE
    except Exception as error:  # noqa: BLE001 - whatever libraries raise at a damaged file
        answer = False, f"reading it fails with {type(error).__name__}: {error}".rstrip(": ")
    sys.stderr.flush()
    sender.send(answer)


def _limit() -> None:
    import resource

    for kind, most in (
        (resource.RLIMIT_DATA, MOST_BYTES),
        (resource.RLIMIT_CPU, MOST_CPU_S),
        (resource.RLIMIT_CORE, 0),
    ):
        hardest = resource.getrlimit(kind)[1]
        allowed = most if hardest == resource.RLIM_INFINITY else min(most, hardest)
        resource.setrlimit(kind, (allowed, hardest))


_TOO_LARGE = (
    f"reading it needs more than {MOST_BYTES >> 30} GB of memory: damaged, or it claims sizes that "
    "no slide has"
)


def _late(seconds: float) -> str:
    return f"reading it had not ended after {seconds:g} s"


def _death(code: int, said: str) -> str:
    """Why a process ended with this code, in words."""
    if "failed to allocate" in said or "std::bad_alloc" in said:
        return _TOO_LARGE
    if -code == signal.SIGXCPU:
        return f"reading it took more than {MOST_CPU_S} s of processor time"
    if -code == signal.SIGKILL:
        return "reading it was killed from outside, mostly for want of memory"
    how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    return f"the library that reads it crashes at it ({how})"


def _read(said: Path) -> str:
    return said.read_text(encoding="utf-8", errors="replace") if said.is_file() else ""
