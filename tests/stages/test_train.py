"""What `train` hands to a training."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from histotile.cli import cli
from histotile.errors import HistotileError
from histotile.stages import train
from histotile.training.job import Run


@pytest.mark.parametrize(("words", "workers"), [([], None), (["--workers", "3"], 3)])
def test_workers_are_those_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], workers: int | None
) -> None:
    def train_fold(*given: Any, **_: Any) -> None:
        (machine,) = (value.machine for value in given if isinstance(value, Run))
        raise HistotileError("training", f"workers {machine.workers}", f"packs {machine.packs}")

    monkeypatch.setattr(train, "train_fold", train_fold)
    folds = tmp_path / "folds.csv"
    rows = ("0,a,P1,,,train", "0,b,P2,,,val", "0,c,P3,,,test")
    folds.write_text("\n".join(["fold,slide_id,patient_id,site,label,role", *rows]) + "\n")
    for name in "abc":
        (tmp_path / f"{name}.parquet").touch()
    line = ["train", "fold0", "--folds", str(folds), "--tiles", str(tmp_path), "--packs", "pack"]
    with pytest.raises(HistotileError, match=rf"workers {workers}\n.*packs pack"):
        CliRunner().invoke(cli, [*line, *words, "-o", str(tmp_path)], catch_exceptions=False)
