"""Which rows of networks.csv count as measured."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import networks
import pandas as pd
import pytest

CHANGES: dict[str, Any] = {"options": {"batch_norm": True}, "start": "zeros", "inputs": "0-1"}
CHANGES |= {"order": "sorted", "optimizer": "sgd"}


@pytest.mark.parametrize("name", [f.name for f in fields(networks.Trial)])
def test_any_change_of_a_trial_is_another_row(name: str) -> None:
    trial = networks.Trial("goal", "cnn3")
    value = CHANGES.get(name, 7)
    assert replace(trial, **{name: value}).key != trial.key


def test_rows_of_earlier_recipes_are_not_told() -> None:
    rows = pd.read_csv(Path(networks.__file__).with_name(networks.TABLE.name))
    assert len(networks.planned(rows)) == len(rows)
    first, *_ = networks.standstill()
    earlier = replace(first, lr=1.0)
    old = pd.DataFrame([dict(zip(networks.KEYS, earlier.key, strict=True))])
    assert len(networks.planned(pd.concat([rows, old]))) == len(rows)
