"""What `tune` writes, reads and says."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from fixtures.models import *  # noqa: F403
from histotile.config import Backbone, Recipe, Split, Train, Tune
from histotile.errors import HistotileError
from histotile.reports.strategy.tuning_page import render_tuning_page
from histotile.stages import tune
from histotile.stages.folds import Inputs, Network
from histotile.strategy.entry import read_record
from histotile.strategy.tuning import measure
from histotile.strategy.tuning.record import Tuning
from histotile.strategy.tuning.space import changed
from histotile.strategy.verification.train_alternatives import compare
from histotile.tasks.registry import make_task
from histotile.training.job import FoldSlide, Machine

FEW = Tune(trials=3, folds=2, repeats=1, max_hours=None, bootstraps=100, seed=0)
SPLIT = Split(folds=2, val_fraction=0.25, test_patients=[], preserve_sites=False, seed=0)
QUICK: dict[str, Any] = {"strategy": "retrain", "max_tiles_per_slide": 8, "epochs": 1}
MakeRun = Callable[..., Tuning]


@pytest.fixture
def inputs(tmp_path: Path, fold: list[FoldSlide]) -> Inputs:
    """The fold, and test patients of whom no file exists; fold1 tests a patient of fold0."""
    rows = [f"0,{s.slide_id},{s.patient_id},,,{s.role}" for s in fold]
    rows += [f"0,gone{number},test{number},,,test" for number in range(3)]
    rows += [row.replace("0,", "1,", 1) for row in rows]
    rows = [r.replace(",train", ",test") if r.startswith("1,s0,") else r for r in rows]
    table = tmp_path / "folds.csv"
    table.write_text("\n".join(["fold,slide_id,patient_id,site,label,role", *rows]) + "\n")
    return Inputs(table, "fold0", fold[0].tiles.parent)


@pytest.fixture
def make_run(
    tmp_path: Path,
    inputs: Inputs,
    tiny_backbone: Backbone,
    make_settings: Callable[..., Train],
) -> MakeRun:
    network = Network(tiny_backbone, make_task(("healthy", "tumour")))

    def run(settings: Tune = FEW, name: str = "out", **given: Any) -> Tuning:
        train = make_settings(**QUICK | given)
        path = tmp_path / name / "tune.json"
        outputs = tune.Outputs(path, path.with_name("trials.journal"))
        tune.run(inputs, outputs, settings, tune.Given(train, SPLIT), network, Machine())
        return read_record(path, Tuning, "tune")

    return run


def without_times(tuning: Tuning) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        tuning.model_dump_json(),
        object_hook=lambda o: {k: v for k, v in o.items() if not k.endswith("seconds")},
    )
    return found


@pytest.mark.slow
def test_it_finds_a_rate_that_learns_where_the_one_in_force_does_not(
    make_run: MakeRun, make_settings: Callable[..., Train], capsys: pytest.CaptureFixture[str]
) -> None:
    found = make_run(FEW.model_copy(update={"trials": 6, "repeats": 2}), rate=1e-4, epochs=4)
    assert found.trials[0].settings == {} and found.patients == 7
    assert [len(trial.folds) for trial in found.trials] == [2] * 6
    assert found.chosen and found.gain
    assert (found.trials[found.chosen].score or 0) > (found.trials[0].score or 0)
    assert found.verdict in {"worth it", "perhaps"}  # of 7 patients, chosen among 5
    assert found.gain.difference.low is not None and found.gain.difference.low > 0
    told = capsys.readouterr().out
    assert "lines for config.yaml" in told and found.lines in told
    pasted = yaml.safe_load(found.lines)["train"]
    now = make_settings(strategy="retrain", rate=1e-4)
    chosen = changed(now, found.trials[found.chosen].settings)
    for section, values in pasted.items():
        assert getattr(chosen, section).model_dump().items() >= values.items()
    assert "patients tested in fold1 helped to choose" in told
    assert found.reasons[-2].startswith("no test patient of fold0 had a part in it")


@pytest.mark.slow
def test_a_second_run_repeats_nothing_and_more_trials_go_on(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = make_run()
    same = make_run(name="other")
    assert without_times(found) == without_times(same)
    more = make_run(FEW.model_copy(update={"trials": 4}))
    assert more.trials[:3] == found.trials
    if more.chosen == found.chosen:
        assert more.repeats == found.repeats

    def never(*_: Any) -> None:
        raise AssertionError("nothing is trained again")

    monkeypatch.setattr("histotile.strategy.tuning.measure.compare", never)
    assert make_run() == found
    assert make_run(FEW.model_copy(update={"trials": 4})) == more
    with pytest.raises(AssertionError, match="trained again"):
        make_run(rate=5e-4)  # what was found for other settings does not count


@pytest.mark.slow
def test_repeats_have_divisions_and_seeds_of_their_own(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, tuple[str, ...]]] = []

    def spied(slides: Any, task: Any, backbone: Any, settings: Train, *rest: Any) -> Any:
        assert not any(s.patient_id.startswith("test") for s in slides)
        seen.append((settings.seed, tuple(s.role for s in slides)))
        return compare(slides, task, backbone, settings, *rest)

    monkeypatch.setattr(measure, "compare", spied)
    make_run(FEW.model_copy(update={"repeats": 2}))
    searched, first, second = seen[:6], seen[6:10], seen[10:]
    assert {seed for seed, _ in searched} == {0}
    assert len(set(searched)) == 2  # all trials on the same two inner folds
    assert first[:2] == first[2:] and second[:2] == second[2:]  # both on the same
    assert {seed for seed, _ in first} == {1} and {seed for seed, _ in second} == {2}
    assert len({roles for _, roles in seen}) > 3


def test_trainings_that_diverge_are_failed_trials(make_run: MakeRun, tmp_path: Path) -> None:
    recipe = Recipe(
        optimizer="sgd",
        sgd_lr=1e30,
        adamw_lr=None,
        sgd_weight_decay=1e-4,
        adamw_weight_decay=0.01,
        layer_decay=1.0,
        momentum=0.9,
        warm_up=0.0,
        clip=None,
        dropout=0.0,
        mixup=0.0,
    )
    with pytest.raises(HistotileError, match=r"all 3 trials failed; the first: inner fold 1: the "):
        make_run(retrain=recipe)
    assert not (tmp_path / "out/tune.json").exists()
    assert (tmp_path / "out/trials.journal").exists()


def test_a_search_of_which_the_settings_in_force_fail_has_nothing_to_compare_with(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:

    def fragile(slides: Any, task: Any, backbone: Any, settings: Train, *rest: Any) -> Any:
        if settings.retrain.adamw_lr == 1e-3:  # that in force
            raise measure.DivergenceError("the loss on val was nan")
        return compare(slides, task, backbone, settings, *rest)

    monkeypatch.setattr(measure, "compare", fragile)
    found = make_run()
    assert found.trials[0].reason == "inner fold 1: the loss on val was nan"
    assert found.verdict == "not known" and found.gain is None and found.chosen
    page = render_tuning_page(found)
    assert "the loss on val was nan" in page


def command(inputs: Inputs, backbone: Backbone, train: Train, output: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "histotile", "tune", "fold0", "--folds", str(inputs.folds)),
        *("--tiles", str(inputs.tiles), "--train", train.model_dump_json()),
        *("--split", SPLIT.model_dump_json(), "--classes", "healthy,tumour", "--threads", "1"),
        *("--backbone", backbone.model_dump_json(), "-o", str(output)),
        *("--settings", FEW.model_dump_json()),
    ]


@pytest.mark.slow
def test_kill_9_of_the_command_loses_no_finished_trial(
    tmp_path: Path,
    inputs: Inputs,
    tiny_backbone: Backbone,
    make_settings: Callable[..., Train],
) -> None:
    train = make_settings(**QUICK)
    line = command(inputs, tiny_backbone, train, tmp_path / "killed/tune.json")
    process = subprocess.Popen(line, stdout=subprocess.PIPE, text=True, env=os.environ)
    assert process.stdout is not None
    told: list[str] = []
    while not told or not told[-1].startswith("fold0 trial 1:"):
        told.append(process.stdout.readline())
        assert told[-1], told
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "trial 0" not in done.stdout and "trial 1:" not in done.stdout
    assert "fold0 trial 2:" in done.stdout
    assert "2 finished trials are taken from the journal" in done.stdout
    found = read_record(tmp_path / "killed/tune.json", Tuning, "tune")
    for number, line_told in enumerate(told[-2:]):
        assert line_told.startswith(f"fold0 trial {number}:")
        assert found.trials[number].told in line_told


def test_probes_are_refused_with_the_reason(
    tmp_path: Path, inputs: Inputs, tiny_backbone: Backbone, make_settings: Callable[..., Train]
) -> None:
    train = make_settings(strategy="linear_probe")
    line = command(inputs, tiny_backbone, train, tmp_path / "out/tune.json")
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "linear_probe fits its head exactly" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_too_few_patients_and_a_missing_optuna_are_told_before_anything_is_trained(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(HistotileError, match="cannot be divided again"):
        make_run(FEW.model_copy(update={"folds": 8}))
    with pytest.raises(HistotileError, match="needs a decision"):
        make_run(strategy="auto")
    monkeypatch.setattr("histotile.strategy.tuning.journal.find_spec", lambda _: None)
    with pytest.raises(HistotileError, match="needs the package optuna"):
        make_run()


@pytest.mark.slow
def test_an_error_that_no_setting_has_caused_ends_the_search_and_keeps_what_is_done(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = [0]

    def full(*given: Any) -> Any:
        calls[0] += 1
        if calls[0] == 3:
            raise OSError(28, "No space left on device")
        return compare(*given)

    monkeypatch.setattr(measure, "compare", full)
    with pytest.raises(OSError, match="No space left"):
        make_run()
    again = make_run()
    assert calls[0] == 3 + 4 + 4  # two of trial 1 and of trial 2, and the comparison
    assert len(again.trials) == 3
