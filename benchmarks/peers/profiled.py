"""Where a histotile command spends its time, all threads: `profiled.py VERB ARGUMENTS...`.

Looks at every thread a hundred times a second while the command runs, and prints for each of our
functions the share of looks that found it at work, itself or in a library that it called. Threads
that wait are not counted.
"""

import sys
import threading
import time
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from types import FrameType

WAITING = {"threading.py", "queue.py", "selectors.py", "_base.py"}


def package() -> str:
    """Folder of histotile, found without loading it, with a slash at its end."""
    spec = find_spec("histotile")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("histotile is not installed here")
    return f"{Path(spec.origin).parent}/"


def at_work(frame: FrameType | None, package: str) -> str | None:
    """Our function in which a thread is, "loading of libraries", or None if it waits."""
    if frame is None or frame.f_code.co_filename.rpartition("/")[2] in WAITING:
        return None
    leaf, ours = frame.f_code, None
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith("<frozen importlib"):
            return "loading of libraries"
        if ours is None and name.startswith(package):
            module = name.removeprefix(package).removesuffix(".py").replace("/", ".")
            within = "" if frame.f_code is leaf else f" ({leaf.co_name})"
            ours = f"{module}.{frame.f_code.co_name}{within}"
        frame = frame.f_back
    return ours


def watch(looks: Counter[str], ended: threading.Event) -> None:
    """Count what the threads do until the end."""
    own, ours = threading.get_ident(), package()
    while not ended.wait(0.01):
        for thread, frame in sys._current_frames().items():
            found = at_work(frame, ours) if thread != own else None
            if found:
                looks[found] += 1


def main() -> None:
    looks: Counter[str] = Counter()
    ended = threading.Event()
    watcher = threading.Thread(target=watch, args=(looks, ended), daemon=True)
    watcher.start()
    start, processor = time.perf_counter(), time.process_time()
    from histotile.__main__ import main as histotile

    try:
        histotile()
    except SystemExit as end:
        if end.code:
            raise
    ended.set()
    watcher.join()
    spent = time.perf_counter() - start, time.process_time() - processor
    print(f"{sys.argv[1]}: {spent[0]:.2f} s on the clock, {spent[1]:.2f} s of the processor")
    for what, count in looks.most_common(12):
        print(f"  {100 * count / sum(looks.values()):5.1f} %  {what}")


if __name__ == "__main__":
    main()
