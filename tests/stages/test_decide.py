"""What `decide` says in the terminal."""

from typing import Any

import pytest

from fixtures.decision import *  # noqa: F403
from fixtures.decision import synthetic_evidence
from histotile.config import Config
from histotile.stages import decide as stage
from histotile.strategy.decide import decide
from histotile.strategy.record import Alarm

LEAK: dict[str, Any] = {"level": "error", "name": "near_duplicates", "key": "a=b"}


def test_an_error_comes_before_the_strategy(
    config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    evidence = synthetic_evidence(12, 10)
    decision = decide(evidence, config.decide, config.train, {}, None)
    leak = Alarm(**LEAK, fact="2 slides are one", remedy="drop one")
    stage._tell(decision.model_copy(update={"alarms": [leak]}))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Training is stopped: patients share tiles."
    assert leak.finding.id in lines[1] and "2 slides are one" in lines[1]
    assert decision.strategy in lines[2]


def test_a_cohort_of_noise_gets_no_share_of_resamples(
    config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    evidence = synthetic_evidence(14, 20, own=(0, 0), random=(0, 0), likeness=0.0)
    stage._tell(decide(evidence, config.decide, config.train, {}, None))
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("Nothing learnable was measured") and "resampled cohorts" not in line
