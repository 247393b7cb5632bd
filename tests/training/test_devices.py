"""Training in two processes that share the work, as on two GPUs."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from histotile.config import Backbone, Train
from histotile.inference.checkpoint import load
from histotile.training.job import FoldSlide

SCRIPT = """
import json, sys
from pathlib import Path
from histotile.config import Backbone, Train
from histotile.tasks.registry import make_task
from histotile.training.job import FoldSlide, Machine, Run
from histotile.training.train_fold import train_fold

data = json.loads(Path(sys.argv[1]).read_text())
slides = [FoldSlide(*row[:3], Path(row[3])) for row in data["slides"]]
backbone, settings = Backbone(**data["backbone"]), Train(**data["settings"])
run, task = Run(Machine(2)), make_task(("healthy", "tumour"))
train_fold(Path(sys.argv[2]), slides, task, backbone, settings, run)
"""


@pytest.mark.slow
def test_two_processes_train_one_model(
    tmp_path: Path,
    fold: list[FoldSlide],
    make_settings: Callable[..., Train],
    tiny_backbone: Backbone,
) -> None:
    job = {
        "slides": [[s.slide_id, s.patient_id, s.role, str(s.tiles)] for s in fold],
        "backbone": tiny_backbone.model_dump(),
        "settings": make_settings(strategy="finetune", rate=3e-3).model_dump(),
    }
    (tmp_path / "job.json").write_text(json.dumps(job))
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    folder = tmp_path / "fold0"
    command = [sys.executable, str(script), str(tmp_path / "job.json"), str(folder)]
    subprocess.run(command, check=True, timeout=300)
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["devices"] == 2
    assert summary["steps"] == 4 * 5  # four epochs of 160 tiles in two batches of 16 at once
    assert summary["best"]["val_score"] > 0.95
    assert load(folder / "model.ckpt").model_id == summary["model_id"]
    assert not (folder / "checkpoints").exists()
