"""Nothing is trained, compared or verified on a cohort that leaks, unless that is accepted."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from histotile.cli import cli
from histotile.config import Config
from histotile.errors import HistotileError
from histotile.strategy.decide import decide
from histotile.strategy.evidence import Evidence
from histotile.strategy.leakage.checks import AlarmFiles
from histotile.strategy.leakage.follow import follow
from histotile.strategy.record import Alarm

LEAK = Alarm(level="error", name="near_duplicates", key="a=b", fact="copies", remedy="drop one")


@pytest.fixture
def leaking(tmp_path: Path, make_evidence: Callable[..., Evidence], config: Config) -> Path:
    """decision.json of a cohort that leaks."""
    rules = config.decide.model_copy(update={"repeats": 1, "bootstraps": 20})
    folds = {"fold0": range(10)}
    found = decide(make_evidence(12, 10), rules, config.train, folds, AlarmFiles())
    path = tmp_path / "decision.json"
    path.write_text(found.model_copy(update={"alarms": [LEAK]}).model_dump_json())
    return path


def test_a_leak_stops_until_it_is_accepted_or_stopping_is_off(leaking: Path) -> None:
    with pytest.raises(HistotileError, match=r"copies[\s\S]*decide.alarms.stop: false"):
        follow(leaking, {})
    with pytest.raises(HistotileError, match=LEAK.finding.id):
        follow(leaking, {"alarm-00000000": "another"})
    assert follow(leaking, {LEAK.finding.id: "twins"}).alarms == [LEAK]
    leaking.write_text(json.dumps(json.loads(leaking.read_text()) | {"stop": False}))
    assert follow(leaking, {}).alarms == [LEAK]


@pytest.mark.parametrize("verb", ["train", "compare", "compare colour", "verify"])
def test_every_verb_that_rests_on_the_decision_stops(
    tmp_path: Path, leaking: Path, verb: str
) -> None:
    folds = tmp_path / "folds.csv"
    rows = ("0,a,P1,,,train", "0,b,P2,,,val", "0,c,P3,,,test")
    folds.write_text("\n".join(["fold,slide_id,patient_id,site,label,role", *rows]) + "\n")
    of_fold = ["--folds", str(folds), "--tiles", str(tmp_path)]
    line = {
        "train": ["train", "fold0", *of_fold],
        "compare": ["compare", "fold0", "finetune", *of_fold],
        "compare colour": ["compare", "fold0", "colour", *of_fold],
        "verify": ["verify", str(tmp_path)],
    }[verb] + ["--decision", str(leaking), "-o", str(tmp_path / "out")]
    with pytest.raises(HistotileError, match=r"copies[\s\S]*drop one"):
        CliRunner().invoke(cli, line, catch_exceptions=False)
    assert not (tmp_path / "out").exists()
    accepted = ["--accept", json.dumps({LEAK.finding.id: "twins"})]
    beyond = CliRunner().invoke(cli, [*line, *accepted])
    assert beyond.exit_code and "copies" not in str(beyond.exception)
