"""Signals end the program with the exit code that shells give them, and leave nothing half done."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys, time
from pathlib import Path
import click
import histotile.cli
from histotile.__main__ import main
from histotile.io.atomic import replacing

@click.command()
@click.argument("output", type=Path)
def work(output):
    with replacing(output) as temporary:
        temporary.write_text("half of it")
        print("begun", flush=True)
        time.sleep(60)

histotile.cli.cli.add_command(work)
main()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_verb_with_its_code_and_leaves_no_file(
    tmp_path: Path, number: signal.Signals
) -> None:
    line = [sys.executable, "-c", PROGRAM, "work", str(tmp_path / "output")]
    with subprocess.Popen(line, stdout=-1, stderr=-1, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(number)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert errors == f"Stopped by {number.name}\n"
    assert not list(tmp_path.iterdir())


def test_a_signal_that_the_shell_has_ignored_stays_ignored(tmp_path: Path) -> None:
    short = PROGRAM.replace("time.sleep(60)", "time.sleep(1)")
    program = f"import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n{short}"
    line = [sys.executable, "-c", program, "work", str(tmp_path / "output")]
    with subprocess.Popen(line, stdout=-1, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert process.returncode == 0
    assert [file.name for file in tmp_path.iterdir()] == ["output"]


@pytest.mark.parametrize(("given", "found"), [({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "x"}, "x")])
def test_threads_sleep_while_they_wait_unless_told_otherwise(
    given: dict[str, str], found: str
) -> None:
    program = "import os\nfrom histotile.__main__ import main\ntry:\n    main()\nfinally:\n"
    program += "    print(os.environ['OMP_WAIT_POLICY'])"
    left = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    line = [sys.executable, "-c", program, "--version"]
    done = subprocess.run(line, env=left | given, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == found


STOPPED_IN_A_FINALISER = """
import os, signal, time
import histotile.cli
from histotile.__main__ import main

class Held:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.05)

def verb():
    held = Held()
    del held
    time.sleep(20)
    print("went on")

histotile.cli.main = verb
main()
"""


def test_a_stop_that_falls_into_a_finaliser_is_not_lost() -> None:
    run = subprocess.run(
        [sys.executable, "-c", STOPPED_IN_A_FINALISER], capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 143, run.stderr
    assert "went on" not in run.stdout
    assert run.stderr == "Stopped by SIGTERM\n"
