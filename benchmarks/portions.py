"""What a cohort of many small groups of ready-made tiles costs, by the group and in portions.

320 patients with six synthetic tiles each through the workflow, in turns: as it was when
`tile-images`, `embed` and `predict` started a process for each group (the commit `BEFORE`, checked
out beside), and as it is, with one for each portion of groups. Seconds of the processor with all
that Snakemake itself takes, to plan and to keep account of its jobs. Both must give the same
tables. Writes benchmarks/portions.csv.

    python benchmarks/portions.py [--quick]
"""

import argparse
import os
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from peers import ours, rounds, tables
from PIL import Image

from histotile.io.features import read_features
from histotile.io.tables import read_table
from histotile.synthetic.slides.sampler import TileSampler

REPOSITORY = Path(__file__).parents[1]
BEFORE = "70d09f8"  # a process for each group
GROUPS, EACH, TILE_PX, FOLDS, CLASSES = 320, 3, 96, 2, ("healthy", "tumour")
SETTINGS: dict[str, Any] = {
    "results": "results",
    "classes": list(CLASSES),
    "backbone": {"name": "auto", "weights": "shipped:histology"},
    "tile": {"mpp": 0.5, "tile_px": TILE_PX},
    "split": {"folds": FOLDS, "val_fraction": 0.25},
    "train": {"strategy": "linear_probe"},
    "baseline": {"max_tiles": 64},
    "decide": {"repeats": 1, "bootstraps": 20, "folds": 2},
}
STEPS = {"tile_images": "tile/{}.parquet", "embed": "embed/{}.h5", "predict": "predict/{}.parquet"}
FIRST: dict[str, list[str]] = {
    "tile_images": [],
    "embed": ["results/backbone/backbone.onnx"],
    "predict": [f"results/train/fold{fold}/model.ckpt" for fold in range(FOLDS)],
}


def names(groups: int) -> list[str]:
    """Of the patients."""
    return [f"p{number:03}" for number in range(groups)]


def write_tiles(folder: Path, groups: int) -> None:
    """Three tiles of each class for every patient."""
    sampler, wanted = TileSampler(TILE_PX, 1, organs=("colon",), mode="easy"), groups * EACH
    made: list[int] = [0, 0]
    number = 0
    while min(made) < wanted:
        rgb, label, _ = sampler.tile(number)
        number += 1
        if made[label] == wanted:
            continue
        path = folder / f"p{made[label] // EACH:03}/{CLASSES[label]}/{made[label] % EACH}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rgb).save(path)
        made[label] += 1


@contextmanager
def checked_out(commit: str, folder: Path) -> Iterator[Path]:
    """The repository as it was, in a folder, for a while."""
    git = ("git", "-C", str(REPOSITORY), "worktree")
    subprocess.run((*git, "add", "--quiet", "--detach", str(folder), commit), check=True)
    try:
        yield folder
    finally:
        subprocess.run((*git, "remove", "--force", str(folder)), check=True)


def snakemake(source: Path, folder: Path, targets: list[str]) -> rounds.Spent:
    """These results in the folder, by the workflow of these sources."""
    words = ("--cores", "2", "--quiet", "all", "--snakefile", str(source / "Snakefile"))
    files = (str(source / "config/config.yaml"), str(folder / "overlay.yaml"))
    command: list[str | Path] = [
        Path(ours.PROGRAM).with_name("snakemake"),
        *words,
        "--configfile",
        *files,
    ]
    places = {"PYTHONPATH": str(source / "src"), "PATH": _path()}
    return rounds.run([*command, "--", *targets], folder, places, sampled=False)


def _path() -> str:
    return f"{Path(ours.PROGRAM).parent}{os.pathsep}{os.environ['PATH']}"


def lay_out(folder: Path, tiles: Path) -> None:
    """A folder of settings for the cohort."""
    folder.mkdir()
    (folder / "overlay.yaml").write_text(yaml.safe_dump(SETTINGS | {"cohort": str(tiles)}))


def take(step: str, source: Path, folder: Path, groups: int) -> rounds.Spent:
    """What a step costs for all groups; what comes before it is made first and not counted."""
    if FIRST[step]:
        snakemake(source, folder, FIRST[step])
    targets = [f"results/{STEPS[step].format(name)}" for name in names(groups)]
    return snakemake(source, folder, targets)


def jobs(folder: Path, step: str) -> int:
    """How many jobs the step took."""
    place = STEPS[step].partition("/")[0]
    return len(list((folder / "results/benchmarks" / place).iterdir()))


def check_same(step: str, folders: Iterable[Path], groups: int) -> None:
    """The folders hold equal tiles, features or predictions.

    Raises:
        AssertionError: They differ.
    """
    for name in names(groups):
        one, other = [root / "results" / STEPS[step].format(name) for root in folders]
        if step == "embed":
            first, second = (read_features(file).features for file in (one, other))
            assert np.array_equal(first, second), name
        else:
            assert read_table(one).equals(read_table(other)), name


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="an eighth of the groups")
    quick = parser.parse_args().quick
    turns, groups = rounds.Rounds(1), GROUPS // 8 if quick else GROUPS
    rows: list[tables.Row] = []
    with tempfile.TemporaryDirectory() as name:
        here = Path(name)
        write_tiles(here / "tiles", groups)
        folders = {what: here / what for what in ("a process each", "portions")}
        for folder in folders.values():
            lay_out(folder, here / "tiles")
        with checked_out(BEFORE, here / "before") as before:
            sources = dict(zip(folders, (before, REPOSITORY), strict=True))
            for _, step in product(turns, STEPS):
                spent = {w: take(step, sources[w], folders[w], groups) for w in folders}
                check_same(step, folders.values(), groups)
                for what, cost in spent.items():
                    ratio = spent["a process each"].cpu_s / cost.cpu_s
                    case = f"{step}, {groups} groups of {2 * EACH} tiles"
                    note = f"{jobs(folders[what], step)} jobs"
                    row = tables.Row(case, what, [cost.cpu_s], "CPU s", ratio, "times less")
                    rows.append(replace(row, note=note))
                tables.finish("portions", rows, turns.loads, quick)


if __name__ == "__main__":
    main()
