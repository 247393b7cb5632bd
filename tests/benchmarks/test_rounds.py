"""What a program costs, and programs that fail, noted as they are."""

import sys
from functools import partial
from pathlib import Path

import pytest
from peers import rounds


def run(code: str, sampled: bool = True) -> rounds.Spent:
    return rounds.run([sys.executable, "-c", code], Path.cwd(), sampled=sampled)


def test_output_and_messages_are_kept_apart() -> None:
    spent = run("import sys; print('found'); print('careful', file=sys.stderr)")
    assert (spent.output, spent.messages) == ("found\n", "careful\n")


def test_sleep_costs_the_clock_and_work_the_processor() -> None:
    asleep = run("import time; time.sleep(0.5)")
    assert asleep.wall_s >= 0.5 > asleep.cpu_s
    at_work = run("import time\nwhile time.process_time() < 0.5: pass")
    assert 0.5 <= at_work.cpu_s <= at_work.wall_s + 0.2


def test_memory_is_that_of_all_processes_in_megabytes() -> None:
    fill = "import time; full = b'1' * 200_000_000; time.sleep(0.6)"
    again = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {fill!r}])"
    alone, child = run(fill), run(again)
    assert 200 < alone.peak_mb < 230
    assert 200 < child.peak_mb < 250
    assert run(fill, sampled=False).peak_mb == 0


@pytest.mark.parametrize(
    "code", ["raise ValueError('no slide')", "import sys; sys.exit('no slide')"]
)
def test_a_failure_says_why(code: str) -> None:
    with pytest.raises(rounds.Failed, match=r"ended with 1: .*no slide$"):
        run(code)


def test_variables_are_added_to_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OURS", "1")
    code = "import os; print(os.environ['OURS'], os.environ['THEIRS'])"
    spent = rounds.run([sys.executable, "-c", code], Path.cwd(), {"THEIRS": "2"})
    assert spent.output == "1 2\n"


def test_programs_take_turns_and_one_that_fails_is_not_tried_again() -> None:
    order: list[str] = []

    def program(name: str) -> rounds.Spent:
        order.append(name)
        return run("import sys; sys.exit('broken')" if name == "b" else f"print('{name}')")

    turns = rounds.Rounds(3)
    spent, failed = rounds.in_turns({name: partial(program, name) for name in "abc"}, turns)
    assert "".join(order) == "abcacac"
    assert {name: len(found) for name, found in spent.items()} == {"a": 3, "c": 3}
    assert failed.keys() == {"b"}
    assert failed["b"].endswith("broken")


def test_each_round_notes_the_load(monkeypatch: pytest.MonkeyPatch) -> None:
    loads = iter([0.5, 2.0, 1.0])
    monkeypatch.setattr("os.getloadavg", lambda: (next(loads), 0.0, 0.0))
    turns = rounds.Rounds(3)
    assert list(turns) == [1, 2, 3]
    assert turns.loads == [0.5, 2.0, 1.0]
