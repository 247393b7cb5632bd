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
import statistics
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
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
    command = [Path(ours.PROGRAM).with_name("snakemake"), *words, "--configfile", *files]
    places = {"PYTHONPATH": str(source / "src"), "PATH": _path()}
    return rounds.run([*command, "--", *targets], folder, places, sampled=False)


def _path() -> str:
    return f"{Path(ours.PROGRAM).parent}{os.pathsep}{os.environ['PATH']}"


def through(source: Path, folder: Path, tiles: Path, groups: int) -> dict[str, rounds.Spent]:
    """Step -> what it cost; what lies between the steps is not counted."""
    folder.mkdir()
    (folder / "overlay.yaml").write_text(yaml.safe_dump(SETTINGS | {"cohort": str(tiles)}))
    between = {"predict": [f"results/train/fold{fold}/model.ckpt" for fold in range(FOLDS)]}
    between["embed"] = ["results/backbone/backbone.onnx"]
    spent = {}
    for step, place in STEPS.items():
        if step in between:
            snakemake(source, folder, between[step])
        targets = [f"results/{place.format(name)}" for name in names(groups)]
        spent[step] = snakemake(source, folder, targets)
        print(f"  {step}: {spent[step].cpu_s:.1f} CPU s, {spent[step].wall_s:.1f} s", flush=True)
    return spent


def jobs(folder: Path, step: str) -> int:
    """How many jobs the step took."""
    place = STEPS[step].partition("/")[0]
    return len(list((folder / "results/benchmarks" / place).iterdir()))


def check_same(one: Path, other: Path, groups: int) -> None:
    """Both folders hold equal tiles, features and predictions.

    Raises:
        AssertionError: They differ.
    """
    for name in names(groups):
        for step in ("tile_images", "predict"):
            files = [root / "results" / STEPS[step].format(name) for root in (one, other)]
            assert read_table(files[0]).equals(read_table(files[1])), files[0]
        found = [read_features(root / f"results/embed/{name}.h5") for root in (one, other)]
        assert np.array_equal(found[0].features, found[1].features), name


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="an eighth of the groups")
    quick = parser.parse_args().quick
    turns, groups = rounds.Rounds(1), GROUPS // 8 if quick else GROUPS
    spent: dict[tuple[str, str], list[rounds.Spent]] = {}
    counts: dict[tuple[str, str], int] = {}
    with tempfile.TemporaryDirectory() as name:
        here = Path(name)
        write_tiles(here / "tiles", groups)
        with checked_out(BEFORE, here / "before") as before:
            sources = {"a process each": before, "portions": REPOSITORY}
            for number in turns:
                for what, source in sources.items():
                    print(f"round {number}: {what}", flush=True)
                    folder = here / f"{what} {number}"
                    for step, cost in through(source, folder, here / "tiles", groups).items():
                        spent.setdefault((step, what), []).append(cost)
                        counts[step, what] = jobs(folder, step)
                check_same(*(here / f"{what} {number}" for what in sources), groups)
    rows = []
    for step in STEPS:
        case = f"{step}, {groups} groups of {2 * EACH} tiles"
        costs = {what: [s.cpu_s for s in spent[step, what]] for what in sources}
        for what, values in costs.items():
            pairs = zip(*costs.values(), strict=True)
            ratio = statistics.median(old / new for old, new in pairs) if len(rows) % 2 else None
            note = f"{counts[step, what]} jobs"
            against = "times less" if ratio else ""
            rows.append(tables.Row(case, what, values, "CPU s", ratio, against, note=note))
    tables.finish("portions", rows, turns.loads, quick)


if __name__ == "__main__":
    main()
