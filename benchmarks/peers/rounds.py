"""What programs cost: run in turns (A, B, A, B, ...), so that a noisy machine is noisy for all.

MB are 10^6 bytes.
"""

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Spent:
    """Cost of a program with all its children.

    Attributes:
        wall_s: On the clock.
        cpu_s: Of the processor, all threads and children that were waited for.
        peak_mb: Most memory at one time, shared pages counted once, sampled ten times a second.
        output: What it printed.
        messages: What it wrote to stderr: its log, its warnings.
    """

    wall_s: float
    cpu_s: float
    peak_mb: float
    output: str
    messages: str = ""


class Rounds:
    """The numbers of the rounds, from 1; notes how busy the machine is when each begins.

    Attributes:
        count: How many.
        loads: Programs that wanted the processor in the minute before each round (load average);
            from the second round on, ours are among them.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.loads: list[float] = []

    def __iter__(self) -> Iterator[int]:
        for k in range(self.count):
            self.loads.append(os.getloadavg()[0])
            yield k + 1


class Failed(Exception):  # noqa: N818 - named after what the caller reports
    """A program ended with an error; the message is its last line."""


def run(
    command: Sequence[str | Path],
    cwd: Path,
    extra: Mapping[str, str] | None = None,
    sampled: bool = True,
) -> Spent:
    """Run a program to its end.

    Args:
        command: The program and its arguments.
        cwd: Where.
        extra: Environment variables besides ours.
        sampled: Whether to watch its memory.

    Raises:
        Failed: It ended with an error.
    """
    environment = {**os.environ, **(extra or {})}
    with tempfile.TemporaryFile("w+") as printed, tempfile.TemporaryFile("w+") as logged:
        start = time.perf_counter()
        process = subprocess.Popen(
            [str(word) for word in command],
            cwd=cwd,
            env=environment,
            stdout=printed,
            stderr=logged,
        )
        memory = _Memory(process.pid, sampled)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        peak = memory.stop()
        printed.seek(0)
        logged.seek(0)
        output, messages = printed.read(), logged.read()
    if process.returncode:
        last = (f"{output}\n{messages}".strip().splitlines() or ["no message"])[-1]
        raise Failed(f"{Path(command[0]).name} ended with {process.returncode}: {last[:200]}")
    return Spent(wall, usage.ru_utime + usage.ru_stime, peak, output, messages)


def in_turns(
    programs: Mapping[str, Callable[[], Spent]], rounds: Rounds
) -> tuple[dict[str, list[Spent]], dict[str, str]]:
    """Costs per program and round; and of programs that failed, why (they are not tried again)."""
    spent: dict[str, list[Spent]] = {name: [] for name in programs}
    failed: dict[str, str] = {}
    for number in rounds:
        for name, program in programs.items():
            if name in failed:
                continue
            try:
                found = program()
            except Failed as error:
                failed[name] = str(error)
                print(f"{name}: {error}", flush=True)
                continue
            spent[name].append(found)
            print(
                f"round {number}: {name:46} {found.wall_s:8.2f} s on the clock "
                f"{found.cpu_s:8.2f} s of the processor {found.peak_mb:7.0f} MB",
                flush=True,
            )
    return {name: times for name, times in spent.items() if times and name not in failed}, failed


class _Memory:
    """Watches the memory of a process and of its children."""

    def __init__(self, pid: int, watch: bool) -> None:
        self._peak = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, args=(pid,), daemon=True)
        if watch:
            self._thread.start()

    def stop(self) -> float:
        """Most memory seen, MB."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        return self._peak

    def _watch(self, pid: int) -> None:
        while not self._ended.wait(0.1):
            self._peak = max(self._peak, _memory_mb(pid), _own_peak_mb(pid))


def _own_peak_mb(pid: int) -> float:
    """Most memory of the process alone since its program began.

    `ru_maxrss` would count the memory of the benchmark, of which the process was a copy at first.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
        return _mb(status, "VmHWM")
    except (OSError, IndexError):
        return 0.0  # it has ended since


def _memory_mb(pid: int) -> float:
    """Memory of a process and its children, their shared pages counted once (PSS)."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8")
        total = _mb(rollup, "Pss")
        for task in Path(f"/proc/{pid}/task").iterdir():
            children = (task / "children").read_text(encoding="utf-8")
            total += sum(_memory_mb(int(child)) for child in children.split())
    except (OSError, IndexError):
        return 0.0  # it has ended since
    return total


def _mb(table: str, name: str) -> float:
    """A line of a table of the kernel, whose "kB" are 1024 bytes."""
    return float(table.partition(f"\n{name}:")[2].split()[0]) * 1024 / 1e6
