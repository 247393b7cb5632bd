"""What each learner of slides reaches: on planted bags, on weak labels of real tiles; its hours.

Writes benchmarks/slide_learners.csv: per case and method the score on left-out patients (AUROC, or
Spearman's rho of a number; mean over folds) of each seed with its 95 % interval of resampled
patients, and of the first seed what `auto` took and what its choice cost (regret). Seed `all`: the
mean over seeds with its interval.

- `share 1`, `2`, `5`: 120 patients, a slide each, 100 to 300 tiles of 32 features; tiles are of six
  kinds of tissue, shifted by the patient; half of the slides hold 1, 2 or 5 % of a seventh kind.
  `attention_auroc` is how well attention tells these tiles from others.
- `count`: two to three lesions against eight to twelve, of the same area in all.
- `shipped 1`, `5`: `share 1` and `5` by attention as it is shipped, the mean of three networks.
- `none`: as `share 5`, with labels drawn by lot, twelve times, for what reads predictions: a leak
  from other folds' tile models would show here; 0.5 is right.
- `idc ...`: patients of idc_ps50 as bags of up to 119 real tiles, features of MobileNetV2.
  `amount`: whether more than the median share of their tiles is carcinoma. `presence`: half of them
  lose their tiles of carcinoma; who did? `share`: the share itself, a number. Beside them colour:
  the mean of the tiles' mean and deviation of red, green and blue, below the same head.
- `hours`: one fold of 1,000 slides x 2,000 tiles x 512 features in float16 files, one network for
  a tenth of its steps, in a process of its own; `note` says what was run and what is extrapolated.

Pooling and lesions read tile predictions: a linear head on tiles that bear the label of their
slide, taught without the fold that is predicted (of `count`: drawn maps of a good tile model).

    HISTOTILE_SCRATCH=results/transfer python benchmarks/slide_learners.py [case ...]
"""

import csv
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t
from transfer_sets import PLACE, ROOT

from histotile.aggregation.aggregate import PredictedTiles
from histotile.aggregation.learners.bags import Bags
from histotile.aggregation.learners.learn import Learnt, learn_slides
from histotile.config import LearnSlides
from histotile.config.yaml_file import read_config
from histotile.io.features import map_features
from histotile.io.tables import COLOUR, read_table
from histotile.stats.auroc import auroc
from histotile.tasks.probe import Features, fit_head
from histotile.tasks.registry import make_task
from histotile.tasks.task import Task

FILE = Path(__file__).with_suffix(".csv")
CONFIG = read_config(ROOT / "config" / "config.yaml")
FIELDS = (
    *("case", "seed", "method", "score", "low", "high"),
    *("regret", "regret_low", "regret_high", "attention_auroc", "seconds", "note"),
)
EVERY = (
    *("mean", "top_k"),
    *("mean_features", "max_features", "quantile_features", "lesions", "attention"),
)
OF_PREDICTIONS = ("mean", "top_k", "lesions")
SEEDS, FOLDS, PATIENTS = 3, 3, 120
SPREAD = 0.8  # of the kinds of tissue, in deviations of their tiles, in each feature
PRESENCE = make_task(("without", "with"))
Cohort = tuple[Bags, list[NDArray[np.bool_]]]  # and which tiles of each carry the label
Row = dict[str, Any]


def settings(seed: int) -> LearnSlides:
    """Section `learn_slides` with every method, one network a fold (of `shipped`: three)."""
    learn = CONFIG.learn_slides
    attention = learn.attention.model_copy(update={"seeds": 1})
    changes = {"candidates": EVERY, "attention": attention, "bootstraps": 500, "seed": seed}
    changes["folds"] = 2
    return learn.model_copy(update=changes)


def drawn(share: float, seed: int, by_lot: bool = False) -> Cohort:
    """Slides of which every other one holds a share of a seventh kind of tissue, in one place."""
    rng = np.random.default_rng(seed)
    kinds = SPREAD * rng.normal(size=(7, 32))
    features, tiles, carriers = [], [], []
    for patient in range(PATIENTS):
        count = int(rng.integers(100, 301))
        kind = rng.choice(6, count, p=rng.dirichlet(np.ones(6)))
        carries = np.arange(count) < (round(share * count) if patient % 2 else 0)
        carries = np.roll(carries, int(rng.integers(count)))
        kind[carries] = 6
        values = kinds[kind] + rng.normal(size=(count, 32)) + 0.5 * rng.normal(size=32)
        features.append(values.astype(np.float16))
        carriers.append(carries)
        place = np.arange(count)
        tiles.append(PredictedTiles(place % 20, place // 20, np.full((count, 2), np.nan)))
    labels = np.arange(PATIENTS) % 2
    labels = rng.permutation(labels) if by_lot else labels
    names = [str(patient) for patient in range(PATIENTS)]
    bags = Bags(names, np.arange(PATIENTS), labels, features, tiles)
    return with_predictions(bags, PRESENCE), carriers


def counted(seed: int) -> Cohort:
    """Maps of 24 x 24 tiles: 2 to 3 large lesions, or 8 to 12 small ones, of 36 tiles in all."""
    rng = np.random.default_rng(seed)
    kinds = SPREAD * rng.normal(size=(2, 32))
    features, tiles, carriers = [], [], []
    for patient in range(PATIENTS):
        count = int(rng.integers(8, 13) if patient % 2 else rng.integers(2, 4))
        picture, sizes = np.zeros((24, 24), bool), np.full(count, 36 // count)
        sizes[: 36 % count] += 1
        for size, cell in zip(sizes, rng.permutation(16 if count > 3 else 4), strict=False):
            wide, side = (4, 6) if count > 3 else (2, 12)
            row, column = divmod(int(cell), wide)
            width = int(np.ceil(np.sqrt(size)))
            block = np.arange(width * width).reshape(width, width) < size
            top, left = row * side + 1, column * side + 1
            picture[top : top + width, left : left + width] |= block
        carries = picture.ravel()
        values = kinds[carries.astype(int)] + rng.normal(size=(576, 32))
        p = np.clip(np.where(carries, 0.8, 0.2) + 0.12 * rng.normal(size=576), 0.01, 0.99)
        place = np.arange(576)
        tiles.append(PredictedTiles(place % 24, place // 24, np.stack([1 - p, p], 1)))
        features.append(values.astype(np.float16))
        carriers.append(carries)
    names, everyone = [str(patient) for patient in range(PATIENTS)], np.arange(PATIENTS)
    return Bags(names, everyone, everyone % 2, features, tiles), carriers


def real(case: str, seed: int, colour: bool = False) -> tuple[Bags, Task]:
    """Patients of idc_ps50 as bags with a weak label; features of MobileNetV2, or colour."""
    folder, rng = PLACE / "idc_ps50" / "64", np.random.default_rng(seed)
    features, tiles, names = [], [], []
    shares: list[float] = []
    for path in sorted((folder / "tile").glob("*.parquet")):
        table = read_table(path)
        cancer = np.array(table["label"].to_pylist()) == "1"
        if len(cancer) < 10 or (case == "presence" and not 0 < cancer.sum() < len(cancer)):
            continue
        ids = table["tile_id"].to_numpy()
        values = map_features(folder / "imagenet_100" / f"{path.stem}.h5")[ids]
        if colour:
            values = np.stack([table[name].to_numpy() for name in COLOUR], 1)
        kept = np.ones(len(ids), bool)
        if case == "presence":
            shares.append(float(rng.permuted([0, 1])[0]) if not len(shares) % 2 else 1 - shares[-1])
            kept = ~cancer | (shares[-1] > 0)
        else:
            shares.append(float(cancer.mean()))
        features.append(values[kept])
        files = [re.findall(r"_x(\d+)_y(\d+)_", file) for file in table["file"].to_pylist()]
        places = np.array([found[0] for found in files], np.int64)[kept]
        nothing = np.full((int(kept.sum()), 1 if case == "share" else 2), np.nan)
        tiles.append(PredictedTiles(places[:, 0], places[:, 1], nothing))
        names.append(path.stem)
    task = make_task(("share",), "regression") if case == "share" else PRESENCE
    labels = np.array(shares) if case == "share" else (shares > np.median(shares)).astype(np.int64)
    labels = np.array(shares).astype(np.int64) if case == "presence" else labels
    bags = Bags(names, np.arange(len(names)), labels, features, tiles)
    return with_predictions(bags, task), task


def fold_table(bags: Bags) -> dict[str, list[Any]]:
    """Patients dealt at random, the same in every call."""
    dealt = np.random.default_rng(0).permutation(len(bags)) % FOLDS
    rows = [
        (fold, slide_id, "test" if dealt[row] == fold else "train")
        for fold in range(FOLDS)
        for row, slide_id in enumerate(bags.slide_ids)
    ]
    return {name: [row[i] for row in rows] for i, name in enumerate(("fold", "slide_id", "role"))}


def with_predictions(bags: Bags, task: Task) -> Bags:
    """The same with held-out predictions of a linear head on tiles, labelled as their slides."""
    dealt = np.random.default_rng(0).permutation(len(bags)) % FOLDS
    found = list(bags.tiles)
    for fold in range(FOLDS):
        taught = np.flatnonzero(dealt != fold)
        own = [bags.features[row] for row in taught.tolist()]
        values, counts = np.concatenate(own).astype(np.float32), [len(tiles) for tiles in own]
        labels = np.repeat(bags.labels[taught], counts)
        lessons = Features(values, labels, np.repeat(taught.astype(str), counts))
        head = fit_head(task, lessons, True, 0.01)
        for row in np.flatnonzero(dealt == fold).tolist():
            p = task.activate(head.logits(bags.features[row].astype(np.float32)))
            found[row] = replace(found[row], probabilities=p.astype(np.float32))
    return replace(bags, tiles=found)


def measured(case: str, seed: int, bags: Bags, task: Task, carriers: Any) -> Iterator[Row]:
    """A row for each method; of the first seed one for `auto`, too."""
    shipped = dict.fromkeys(("shipped 1", "shipped 5"), ("attention",))
    special: dict[str, tuple[str, ...]] = {"none": OF_PREDICTIONS, **shipped}
    for method in special.get(case, EVERY):
        found = learnt(method, bags, task, seed, networks=3 if "shipped" in case else 1)
        (one,) = found.record.methods
        row = {"case": case, "seed": seed, "method": method, "seconds": one.seconds}
        row |= {"score": one.score.value, "low": one.score.low, "high": one.score.high}
        if carriers is not None and found.attention:
            each = [auroc(carriers[r], a) for r, a in found.attention.items() if carriers[r].any()]
            row["attention_auroc"] = float(np.mean(each))
        yield row
    if seed == 0 and case not in special:
        yield chosen(case, learnt("auto", bags, task, seed))


def learnt(method: str, bags: Bags, task: Task, seed: int, networks: int = 1) -> Learnt:
    """Slides scored by the folds that test them."""
    aggregate = CONFIG.aggregate.model_copy(update={"method": method})
    section = settings(seed)
    attention = section.attention.model_copy(update={"seeds": networks})
    section = section.model_copy(update={"attention": attention})
    return learn_slides(bags, fold_table(bags), task, aggregate, section)


def chosen(case: str, found: Learnt) -> Row:
    """What `auto` reached, what it took, and its regret."""
    record = found.record
    regret = record.regret
    return {
        "case": case,
        "seed": 0,
        "method": "auto",
        "score": record.own.value,
        "low": record.own.low,
        "high": record.own.high,
        "regret": regret and regret.value,
        "regret_low": regret and regret.low,
        "regret_high": regret and regret.high,
        "note": f"took {record.words}; rival {record.rival}",
    }


def coloured(case: str, seed: int) -> Row:
    """The mean colour of a slide's tiles below the same head."""
    bags, task = real(case, seed, colour=True)
    (one,) = learnt("mean_features", bags, task, seed).record.methods
    span = one.score
    told = {"score": span.value, "low": span.low, "high": span.high, "seconds": one.seconds}
    return {"case": f"idc {case}", "seed": seed, "method": "colour", **told}


def rows_of(case: str) -> Iterator[Row]:
    """The rows of a case, seed by seed."""
    if case == "hours":
        yield hours()
        return
    kind, _, name = case.partition(" ")
    for seed in range(4 * SEEDS if kind == "none" else SEEDS):
        if kind == "idc":
            bags, task = real(name, seed)
            yield from measured(case, seed, bags, task, None)
            yield coloured(name, seed)
        elif kind == "count":
            yield from measured(case, seed, counted(seed)[0], PRESENCE, None)
        else:
            share = float(name or 5) / 100
            bags, carriers = drawn(share, seed, by_lot=kind == "none")
            yield from measured(case, seed, bags, PRESENCE, None if kind == "none" else carriers)


def summed(rows: list[Row]) -> Iterator[Row]:
    """Per method the mean over seeds, with the interval of that mean."""
    for method in dict.fromkeys(row["method"] for row in rows if row["method"] != "auto"):
        own = [row for row in rows if row["method"] == method]
        scores = np.array([row["score"] for row in own], float)
        half = t.ppf(0.975, len(scores) - 1) * scores.std(ddof=1) / np.sqrt(len(scores))
        means = {
            key: float(np.mean([row[key] for row in own]))
            for key in ("attention_auroc", "seconds")
            if all(row.get(key) is not None for row in own)
        }
        score = float(scores.mean())
        span = {"score": score, "low": score - half, "high": min(score + half, 1.0)}
        yield {"case": own[0]["case"], "seed": "all", "method": method, **span, **means}


def hours() -> Row:
    """Seconds and memory of a fold, in a process of its own."""
    told = subprocess.check_output([sys.executable, __file__, "--hours"], text=True)
    seconds, fold_s, peak, note = told.strip().split("|")
    return {
        "case": "hours",
        "seed": 0,
        "method": "attention",
        "seconds": float(seconds),
        "note": f"{note}; a fold of 3 networks {float(fold_s) / 60:.1f} min; peak {peak} GB",
    }


def run_hours() -> None:
    """Prints CPU seconds run, those of a fold (extrapolated), peak of resident memory, a note."""
    import torch

    from histotile.aggregation.learners.attention import BATCH, attention_learner

    torch.set_num_threads(1)
    slides, tiles, width, part = 1000, 2000, 512, 0.1
    whole = CONFIG.learn_slides.attention
    with tempfile.TemporaryDirectory() as folder:
        rng = np.random.default_rng(0)
        block = rng.normal(size=(tiles, width)).astype(np.float16)
        features = []
        for slide in range(slides):
            path = Path(folder) / f"{slide}.npy"
            np.save(path, np.roll(block, slide, axis=0))
            features.append(np.load(path, mmap_mode="r"))
        labels = np.arange(slides) % 2
        bags = Bags([str(s) for s in range(slides)], np.arange(slides), labels, features)
        epochs = max(1, round(part * whole.epochs))
        short = whole.model_copy(update={"seeds": 1, "epochs": epochs, "min_steps": 1})
        taught, asked = np.arange(800), np.arange(800, 1000)
        begun = time.process_time()
        attention_learner(bags, PRESENCE, short)(taught, asked, 0)
        spent = time.process_time() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    fold = spent * whole.epochs / epochs * whole.seeds
    ran = (
        f"one network, {epochs} of {whole.epochs} epochs of 800 slides, batches of {BATCH}, 1 core"
    )
    print(f"{spent:.1f}|{fold:.1f}|{peak:.2f}|{ran}, with all 2,000,000 tiles on disk")


def main() -> None:
    """Rows of the cases named, or of all; others stay as they are in the CSV."""
    if sys.argv[1:] == ["--hours"]:
        run_hours()
        return
    planted = ("share 1", "share 2", "share 5", "shipped 1", "shipped 5", "count", "none")
    cases = (*planted, "idc amount", "idc presence", "idc share", "hours")
    for case in sys.argv[1:] or cases:
        begun = time.perf_counter()
        rows = list(rows_of(case))
        rows += list(summed(rows)) if len(rows) > 1 else []
        kept = []
        if FILE.is_file():
            with FILE.open(encoding="utf-8") as handle:
                kept = [row for row in csv.DictReader(handle) if row["case"] != case]
        with FILE.open("w", newline="", encoding="utf-8") as handle:
            writer = csv.DictWriter(handle, FIELDS, lineterminator="\n")
            writer.writeheader()
            for row in kept + rows:
                short = {k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()}
                writer.writerow(short)
        print(f"{case}: {time.perf_counter() - begun:.0f} s", flush=True)


if __name__ == "__main__":
    main()
