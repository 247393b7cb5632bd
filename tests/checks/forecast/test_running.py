"""What a trial has started and written is gone after it, also after a signal."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from histotile.checks.forecast.running import Ended, Running, passing_folder

SLEEPS = [sys.executable, "-c", "import subprocess; subprocess.run(['sleep', '60'])"]
TRIAL = """
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import sys
from histotile import __main__
from histotile.checks.forecast.running import Running, passing_folder
import os, signal
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, __main__._leave)
running = Running()
with passing_folder() as folder, ThreadPoolExecutor(2) as pool:
    (folder / "some").write_text("left")
    try:
        job = pool.submit(running.run, {sleeps!r}, folder, os.environ)
        print(folder, flush=True)
        running.run({sleeps!r}, folder, os.environ)
    except BaseException:
        running.end()
        raise
"""


def test_a_folder_is_gone_after_use_and_after_an_error() -> None:
    with pytest.raises(ZeroDivisionError), passing_folder() as folder:
        (folder / "file").write_text("1")
        1 / 0  # noqa: B018 - any error
    assert not folder.exists()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_jobs_end_with_their_children_and_none_starts_afterwards(tmp_path: Path) -> None:
    running, found = Running(), list[BaseException]()

    def sleep() -> None:
        with pytest.raises(Ended) as ended:
            running.run(SLEEPS, tmp_path, os.environ)
        found.append(ended.value)

    thread = threading.Thread(target=sleep)
    thread.start()
    time.sleep(0.5)
    begun = time.monotonic()
    running.end()
    thread.join(10)
    assert found and time.monotonic() - begun < 5
    with pytest.raises(Ended):
        running.run(SLEEPS, tmp_path, os.environ)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_leave_neither_folder_nor_job(tmp_path: Path, number: signal.Signals) -> None:
    program = subprocess.Popen(
        [sys.executable, "-c", TRIAL.format(sleeps=SLEEPS)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"TMPDIR": str(tmp_path)},
        text=True,
    )
    assert program.stdout is not None
    folder = Path(program.stdout.readline().strip())
    assert folder.parent == tmp_path and (folder / "some").is_file()
    time.sleep(0.5)
    program.send_signal(number)
    program.send_signal(number)
    # the second one may come when Python has put its own handlers away: the shell sees the same
    assert program.wait(10) in (128 + number, -number)
    assert not list(tmp_path.iterdir())
    assert program.stdout.read() == ""  # its jobs had this end, too: none holds it any more


@pytest.mark.slow
def test_a_check_that_is_stopped_leaves_nothing(tmp_path: Path, repository: Path) -> None:
    made = ("--set", "slides=6", "--set", "patients=6", "--set", "side_px=1024")
    program = [sys.executable, "-m", "histotile"]
    subprocess.run([*program, "synthesize", ".", *made], cwd=tmp_path, check=True)
    (tmp_path / "mine.yaml").write_text(
        "cohort: slides.csv\nbackbone: {name: auto, weights: 'shipped:histology'}\n"
        "tile: {mpp: 0.5, tile_px: 96, stride_px: 96}\nsplit: {folds: 3}\n"
    )
    passing = tmp_path / "passing"
    passing.mkdir()
    check = subprocess.Popen(
        [*program, "--config", "mine.yaml", "check"],
        cwd=tmp_path,
        env=os.environ | {"TMPDIR": str(passing)},
    )
    until = time.monotonic() + 120
    while not list(passing.glob("histotile-check-*/*")) and time.monotonic() < until:
        time.sleep(0.2)
    assert list(passing.glob("histotile-check-*/*"))
    time.sleep(3)
    check.terminate()
    assert check.wait(20) == 143
    assert not list(passing.glob("histotile-check-*"))
