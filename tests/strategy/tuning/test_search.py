"""The journal of trials: nothing finished is lost, and an interruption changes nothing."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from histotile.errors import HistotileError
from histotile.strategy.tuning.journal import opened
from histotile.strategy.tuning.record import Parameter, Trial
from histotile.strategy.tuning.search import importance, recalled, search

SPACE = (
    Parameter(key="finetune.adamw_lr", default=1e-3, low=1e-4, high=1e-2, scale="log"),
    Parameter(key="finetune.dropout", default=0.0, low=0.0, high=0.5, scale="linear"),
    Parameter(key="augment", default=0, low=-1, high=2, scale="steps"),
)
Values = dict[str, float]
Attempt = Callable[[Values, int], Trial]


def outcome(values: Values, score: float | None, seconds: float = 1.0) -> Trial:
    return Trial(
        settings=dict(values),
        score=score,
        folds=[score],
        gave_way=0,
        reason="the loss on val was nan" if score is None else None,
        seconds=seconds,
        processor_seconds=seconds,
    )


def near_a_hundredth(values: Values, _: int) -> Trial:
    return outcome(values, 1 - abs(values["finetune.adamw_lr"] - 0.01) * 50)


def silent(done: list[Trial], is_new: bool) -> None:
    assert len(done) >= is_new


def run(
    journal: Path,
    attempt: Attempt = near_a_hundredth,
    trials: int = 8,
    hours: float | None = None,
    name: str = "one",
    seed: int = 0,
) -> list[Trial]:
    with opened(journal) as storage:
        return search(storage, name, SPACE, (trials, hours, seed), attempt, silent)[1]


def test_a_date_is_a_seed(tmp_path: Path) -> None:
    found = run(tmp_path / "a.journal", trials=3, seed=20261129)
    assert found == run(tmp_path / "b.journal", trials=3, seed=20261129)
    assert found != run(tmp_path / "c.journal", trials=3)


def test_the_first_trial_is_the_settings_in_force_and_all_are_within_their_ranges(
    tmp_path: Path,
) -> None:
    trials = run(tmp_path / "trials.journal", trials=20)
    assert trials[0].settings == {p.key: p.default for p in SPACE}
    for trial in trials:
        for parameter in SPACE:
            assert parameter.low <= trial.settings[parameter.key] <= parameter.high
    assert len({trial.settings["finetune.adamw_lr"] for trial in trials}) == 20
    assert {int(t.settings["augment"]) for t in trials} <= {-1, 0, 1, 2}
    late = [trial.score or 0.0 for trial in trials[10:]]
    assert sum(late) > sum(trial.score or 0.0 for trial in trials[:10])


def test_a_search_goes_on_where_it_was_interrupted_as_if_it_had_not_been(tmp_path: Path) -> None:
    whole = run(tmp_path / "whole.journal", trials=14)

    def stumble(values: Values, number: int) -> Trial:
        if number == 12:
            raise KeyboardInterrupt
        return near_a_hundredth(values, number)

    broken = tmp_path / "broken.journal"
    with pytest.raises(KeyboardInterrupt):
        run(broken, stumble, trials=14)
    made: list[int] = []

    def counted(values: Values, number: int) -> Trial:
        made.append(number)
        return near_a_hundredth(values, number)

    assert run(broken, counted, trials=14) == whole
    assert made == [12, 13]


def test_the_default_is_tried_first_even_if_it_was_interrupted(tmp_path: Path) -> None:
    def stop(_: Values, __: int) -> Trial:
        raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "j", stop)
    assert run(tmp_path / "j") == run(tmp_path / "other")


def test_more_trials_go_on_and_another_search_in_the_journal_does_not_count(tmp_path: Path) -> None:
    journal = tmp_path / "trials.journal"
    few = run(journal, trials=4)
    assert run(journal, trials=6, name="other")[:4] == few  # the same proposals, tried anew
    assert run(journal, trials=6)[:4] == few
    assert run(journal, trials=3) == few[:3]  # what was tried before does not change the answer


def test_a_failed_trial_is_kept_with_its_reason_and_the_search_goes_on(tmp_path: Path) -> None:
    def failing(values: Values, number: int) -> Trial:
        return outcome(values, None if number in {0, 3} else 0.5 + number / 100)

    journal = tmp_path / "trials.journal"
    trials = run(journal, failing, trials=6)
    assert [trial.score is None for trial in trials] == [True, False, False, True, False, False]
    assert trials[3].reason == "the loss on val was nan"
    assert run(journal, failing, trials=6) == trials
    with pytest.raises(HistotileError, match="all 3 trials failed; the first: the loss on val"):
        run(tmp_path / "none", lambda values, _: outcome(values, None), trials=3)


def test_hours_end_the_search_but_never_the_first_trial(tmp_path: Path) -> None:
    def slow(values: Values, _: int) -> Trial:
        return outcome(values, 0.5, seconds=1800)

    assert len(run(tmp_path / "a", slow, hours=0.9)) == 2
    assert len(run(tmp_path / "b", slow, hours=0.001)) == 1


def test_a_torn_last_line_and_a_lock_left_behind_are_put_right(tmp_path: Path) -> None:
    journal = tmp_path / "trials.journal"
    trials = run(journal, trials=3)
    with journal.open("ab") as handle:
        handle.write(b'{"op_code":6,"worker_id":"x","tri')
    (tmp_path / "trials.journal.lock").touch()
    start = time.monotonic()
    assert run(journal, trials=5)[:3] == trials
    assert time.monotonic() - start < 20  # not the lock's grace period
    assert run(journal, trials=5)[:3] == trials


def test_a_journal_has_one_writer_and_no_other_file_is_taken_for_one(tmp_path: Path) -> None:
    journal = tmp_path / "trials.journal"
    with (
        opened(journal),
        pytest.raises(HistotileError, match="another `histotile tune` writes it"),
        opened(journal),
    ):
        pass
    other = tmp_path / "notes.txt"
    other.write_text("buy milk\nand bread\n")
    with pytest.raises(HistotileError, match="is no journal of trials"), opened(other):
        pass
    assert other.read_text() == "buy milk\nand bread\n"
    other.write_text("buy milk")
    with pytest.raises(HistotileError, match="is no journal of trials"), opened(other):
        pass
    assert other.read_text() == "buy milk"


_KILLED = """
import os, signal, sys, time
sys.path[:0] = {paths!r}
from pathlib import Path
from test_search import near_a_hundredth, run
def attempt(values, number):
    if number == 3:
        print("three", flush=True)
        time.sleep(600)
    return near_a_hundredth(values, number)
run(Path(sys.argv[1]), attempt)
"""


def test_kill_9_loses_no_finished_trial(tmp_path: Path) -> None:
    journal = tmp_path / "trials.journal"
    code = _KILLED.format(paths=[str(Path(__file__).parent), *sys.path])
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(journal)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "three\n"
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    tried: list[int] = []

    def counted(values: Values, number: int) -> Trial:
        tried.append(number)
        return near_a_hundredth(values, number)

    assert run(journal, counted) == run(tmp_path / "whole")
    assert tried == [3, 4, 5, 6, 7]


def test_importance_finds_what_matters_and_says_when_trials_are_too_few(tmp_path: Path) -> None:
    with opened(tmp_path / "j") as storage:
        study, _ = search(storage, "one", SPACE, (6, None, 0), near_a_hundredth, silent)
        shares, missing = importance(study, SPACE, 99)
        assert shares is None and missing == "6 finished trials are too few for it: 9 are needed"
        study, _ = search(storage, "one", SPACE, (15, None, 0), near_a_hundredth, silent)
        shares, missing = importance(study, SPACE, 99)
        assert shares and missing is None
        assert sum(shares.values()) == pytest.approx(1)
        assert max(shares, key=lambda key: shares[key]) == "finetune.adamw_lr"
        same = (15, None, 1)
        study, _ = search(
            storage, "two", SPACE, same, lambda values, _: outcome(values, 0.5), silent
        )
        assert importance(study, SPACE, 99) == (None, "all trials have the same score")


def test_what_was_made_once_is_recalled(tmp_path: Path) -> None:
    with opened(tmp_path / "j") as storage:
        assert recalled(storage, "fresh", "a", lambda: {"made": 1}) == {"made": 1}
    with opened(tmp_path / "j") as storage:
        assert recalled(storage, "fresh", "a", lambda: {"made": 2}) == {"made": 1}
        assert recalled(storage, "fresh", "b", lambda: {"made": 3}) == {"made": 3}
