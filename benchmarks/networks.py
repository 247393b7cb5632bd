"""The lectures' networks on small pictures of syndromes; writes benchmarks/networks.csv.

`python benchmarks/networks.py PART...` measures what networks.csv lacks of these parts, of all
without names, then prints the tables of docs/networks.md; one row is one training. One thread.
"""

import csv
import datetime
import math
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import timm
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from histotile.backbones.lecture.layers import ACTIVATIONS
from histotile.backbones.lecture.models import default_cfgs
from histotile.config import SyndromeTiles
from histotile.data.images import fit
from histotile.synthetic.syndromes.cohort import CLASSES, draw_tiles
from histotile.training.optimizer import rate_factor

TABLE = Path("benchmarks/networks.csv")
PICTURE = Path("docs/gradients.svg")
SHEET = Path("docs/syndromes.png")
TRAIN, TEST = 1200, 400  # pictures, of 60 and of 20 patients
PATIENTS = 80
BATCH = 32
WARM_UP = 0.05  # share of all steps
ENOUGH = 0.01  # mean training loss of an epoch: what stops a training that has learnt


@dataclass(frozen=True)
class Trial:
    """One training: what is learnt, what learns, how."""

    part: str
    network: str
    setting: str = "-"
    seed: int = 0
    mode: str = "easy"
    px: int = 64
    epochs: int = 6
    lr: float = 5e-4
    train: int = TRAIN
    options: dict[str, Any] = field(default_factory=dict)
    start: str = "own"  # what the weights are drawn from
    inputs: str = "standard"
    order: str = "shuffled"
    optimizer: str = "adamw"

    @property
    def key(self) -> tuple[str, ...]:
        """What names a row: a changed recipe is another one."""
        named = self.part, self.network, self.setting, str(self.seed), self.mode, str(self.px)
        return *named, self.recipe

    @property
    def recipe(self) -> str:
        """All else that a training hangs on, e.g. "epochs=6 lr=0.0005 ... batch_norm=True"."""
        learnt = ("epochs", "lr", "train", "start", "inputs", "order", "optimizer")
        told = {name: getattr(self, name) for name in learnt} | self.options
        return " ".join(f"{name}={value}" for name, value in told.items())


@cache
def pictures(mode: Any, px: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Training and test pictures uint8 NCHW with their syndromes; patients stand on one side."""
    settings = SyndromeTiles(
        count=TRAIN + TEST,
        patients=PATIENTS,
        stain="h_and_e",
        mode=mode,
        alteration=1.0,
        patient_effect=1.0,
    )
    tiles = list(draw_tiles(settings, (96, 128), seed=0))
    rgb = np.stack([fit(tile.picture.pixels, px) for tile in tiles]).transpose(0, 3, 1, 2)
    labels = np.array([CLASSES.index(tile.syndrome) for tile in tiles])
    patients = np.array([int(tile.patient_id[1:]) for tile in tiles])
    held = patients > PATIENTS * TRAIN // (TRAIN + TEST)
    order = np.random.default_rng(0).permutation(int((~held).sum()))
    x, y = torch.from_numpy(np.ascontiguousarray(rgb)), torch.from_numpy(labels)
    return x[~held][order], y[~held][order], x[held], y[held]


def prepared(pixels: Tensor, inputs: str) -> Tensor:
    values = pixels.float()
    if inputs == "0-255":
        return values
    values = values / 255
    if inputs == "0-1":
        return values
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in MEAN_STD)
    return ((values - mean) / std).contiguous(memory_format=torch.channels_last)


MEAN_STD = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def build(trial: Trial, classes: int = len(CLASSES)) -> nn.Module:
    torch.manual_seed(trial.seed)
    options = dict(trial.options)
    if trial.network in ("lenet5", "cnn3"):
        options["img_size"] = trial.px
    network: nn.Module = timm.create_model(trial.network, num_classes=classes, **options)
    spread = {"N(0, 0.01)": 0.01, "N(0, 1)": 1.0, "zeros": 0.0}.get(trial.start)
    if spread is not None:
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.normal_(layer.weight, 0, spread)
    return network.to(memory_format=torch.channels_last)


def batches(trial: Trial, labels: Tensor, epoch: int) -> Iterator[Tensor]:
    """Indices, batch by batch; `sorted` gives one syndrome after the other."""
    rng = torch.Generator().manual_seed(1000 * trial.seed + epoch)
    order = torch.randperm(len(labels), generator=rng)
    if trial.order == "sorted":
        order = order[torch.argsort(labels[order], stable=True)]
    yield from (part for part in torch.split(order, BATCH) if len(part) > 1)


def learn(trial: Trial) -> dict[str, Any]:
    """Train, then measure on the pictures of other patients."""
    x, y, x_test, y_test = pictures(trial.mode, trial.px)
    x, y = x[: trial.train], y[: trial.train]
    network = build(trial)
    optimizer = make_optimizer(trial, network)
    steps = trial.epochs * math.ceil(len(y) / BATCH)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda s: rate_factor(s, steps, WARM_UP)
    )
    start, loss, first = time.process_time(), math.nan, math.nan
    seen = 0
    for epoch in range(trial.epochs):
        losses = []
        for chosen in batches(trial, y, epoch):
            tiles = turned(prepared(x[chosen], trial.inputs), trial.seed * 9999 + seen)
            step_loss = nn.functional.cross_entropy(network(tiles), y[chosen])
            optimizer.zero_grad()
            step_loss.backward()  # type: ignore[no-untyped-call]
            first = norms(network)[0][1] if seen == 0 else first
            optimizer.step()
            schedule.step()
            losses.append(float(step_loss.detach()))
            seen += len(chosen)
        loss = float(np.mean(losses))
        if not math.isfinite(loss) or loss < ENOUGH:
            break
    spent = time.process_time() - start
    logits = judge(network, x_test, trial.inputs)
    preds = logits.argmax(1)
    return {
        "accuracy": float((preds == y_test).float().mean()),
        "most_frequent": float(torch.bincount(preds, minlength=4).max() / len(preds)),
        "spread": float(logits.std(0).mean()),  # of a logit over pictures: 0 where all look alike
        "train_loss": loss,
        "first_gradient": first,
        "images": seen,
        "cpu_s": round(spent, 1),
    }


def make_optimizer(trial: Trial, network: nn.Module) -> torch.optim.Optimizer:
    if trial.optimizer == "sgd":
        return torch.optim.SGD(network.parameters(), trial.lr)
    return torch.optim.AdamW(network.parameters(), trial.lr, weight_decay=0.01, fused=True)


def turned(tiles: Tensor, seed: int) -> Tensor:
    """One of the eight mirror images and quarter turns, the same for a batch."""
    turn = int(np.random.default_rng(seed).integers(8))
    tiles = tiles.rot90(turn % 4, (2, 3))
    return tiles.flip(3) if turn > 3 else tiles


@torch.no_grad()
def judge(network: nn.Module, tiles: Tensor, inputs: str) -> Tensor:
    network.eval()
    return torch.cat([network(prepared(part, inputs)) for part in torch.split(tiles, 100)])


def norms(network: nn.Module) -> list[tuple[str, float]]:
    """Per layer, shallow to deep: root mean square of the gradient of its weights."""
    return [
        (name, float(layer.weight.grad.square().mean().sqrt()))
        for name, layer in network.named_modules()
        if isinstance(layer, nn.Conv2d | nn.Linear) and layer.weight.grad is not None
    ]


# Parts


def comparison() -> list[Trial]:
    """Each network on the easy pictures, three seeds."""
    return [plan(name, seed) for seed in range(3) for name in ("lenet5", "cnn3", "resnet18")]


def plan(name: str, seed: int, mode: str = "easy") -> Trial:
    """How a network is trained where networks are compared."""
    trial = Trial("comparison", name, seed=seed, mode=mode, train=800)
    normed = {"batch_norm": True}
    return {
        "lenet5": replace(trial, epochs=16, lr=2e-3, options=normed),
        "cnn3": replace(trial, epochs=4, options=normed),
        "resnet18": replace(trial, epochs=4, lr=1e-3),
        "alexnet": replace(trial, epochs=5, lr=3e-4, options=normed),
    }[name]


def slower() -> list[Trial]:
    """What else is compared: the largest network, and the hard pictures."""
    hard = [plan(name, seed, "hard") for name in ("lenet5", "cnn3") for seed in range(3)]
    return [plan("alexnet", 0), *hard, *(plan("alexnet", seed) for seed in (1, 2))]


def goal() -> list[Trial]:
    """cnn3 on the easy syndromes at 96 px: 0.90 within 10 minutes on 2 cores."""
    return [Trial("goal", "cnn3", px=96, epochs=4, options={"batch_norm": True})]


def activations() -> list[Trial]:
    lenet = [
        Trial(
            *("activations", "lenet5", act, seed),
            epochs=12,
            lr=2e-3,
            train=800,
            options={"act_layer": act},
        )
        for seed in range(3)
        for act in ACTIVATIONS
    ]
    cnn3 = [
        Trial("activations", "cnn3", act, px=48, epochs=4, train=800, options={"act_layer": act})
        for act in ACTIVATIONS
    ]
    return lenet + cnn3


def standstill() -> list[Trial]:
    """What alone, or with another, leaves cnn3 at chance; all else is the recipe that learns."""
    good = Trial("standstill", "cnn3", "none", px=48, epochs=4, train=800)
    sigmoid = {"act_layer": "sigmoid"}
    normed = {"batch_norm": True}
    faults: dict[str, dict[str, Any]] = {
        "none": {},
        "rate x 0.01": {"lr": 5e-6},
        "rate x 100": {"lr": 5e-2},
        "rate x 100, batch norm": {"lr": 5e-2, "options": normed},
        "start N(0, 0.01)": {"start": "N(0, 0.01)"},
        "start N(0, 1)": {"start": "N(0, 1)"},
        "start at zero": {"start": "zeros"},
        "pixels 0-255": {"inputs": "0-255"},
        "pixels 0-1": {"inputs": "0-1"},
        "classes in order": {"order": "sorted"},
        "classes in order, batch norm": {"order": "sorted", "options": normed},
        "sigmoid": {"options": sigmoid},
        "sigmoid, rate x 10": {"options": sigmoid, "lr": 5e-3},
        "sigmoid, 4 x the epochs": {"options": sigmoid, "epochs": 16},
        "sigmoid, batch norm": {"options": sigmoid | normed},
        "plain SGD, rate 0.01": {"optimizer": "sgd", "lr": 0.01},
        "plain SGD, rate 0.01, sigmoid": {"optimizer": "sgd", "lr": 0.01, "options": sigmoid},
        "plain SGD, rate 0.01, sigmoid, batch norm": {
            "optimizer": "sgd",
            "lr": 0.01,
            "options": sigmoid | normed,
        },
    }
    return [replace(good, setting=name, **changes) for name, changes in faults.items()]


def by_heart() -> list[Trial]:
    """Networks too large to train here, on one batch of 8 pictures, until they know it."""
    names = ("lenet5", "cnn3", "alexnet", "vgg16", *(f"resnet{d}" for d in (18, 34, 50, 101, 152)))
    rates = {"vgg16": 5e-5, "alexnet": 1e-4, "lenet5": 2e-3}
    return [Trial("by heart", name, lr=rates.get(name, 5e-4)) for name in names]


def learn_by_heart(trial: Trial) -> dict[str, Any]:
    x, y, *_ = pictures("easy", trial.px)
    chosen = torch.cat([torch.nonzero(y == c)[:2, 0] for c in range(4)])
    tiles, labels = prepared(x[chosen], "standard"), y[chosen]
    with torch.device("meta"):
        whole = timm.create_model(trial.network)
    network = build(trial)
    optimizer = torch.optim.AdamW(network.parameters(), trial.lr, weight_decay=0, fused=True)
    start = time.process_time()
    steps = 0
    for steps in range(1, 101):  # noqa: B007 - told below
        logits = network(tiles)
        loss = nn.functional.cross_entropy(logits, labels)
        if float(loss.detach()) < 0.05:
            break
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return {
        "accuracy": float((logits.argmax(1) == labels).float().mean()),
        "train_loss": float(loss.detach()),
        "images": steps * len(labels),
        "cpu_s": round(time.process_time() - start, 1),
        "parameters": sum(p.numel() for p in whole.parameters()),
    }


def colour() -> list[Trial]:
    return [Trial("colour", "mean and SD of colours", mode=mode) for mode in ("easy", "hard")]


def by_colour(trial: Trial) -> dict[str, Any]:
    x, y, x_test, y_test = pictures(trial.mode, trial.px)

    def features(tiles: Tensor) -> NDArray[np.float64]:
        values = tiles.double().flatten(2)
        return torch.cat([values.mean(2), values.std(2)], 1).numpy()

    scaler = StandardScaler().fit(features(x))
    model = LogisticRegression(max_iter=1000).fit(scaler.transform(features(x)), y.numpy())
    right = model.predict(scaler.transform(features(x_test))) == y_test.numpy()
    return {"accuracy": float(right.mean()), "images": len(y)}


def drawing_speed() -> list[Trial]:
    return [
        Trial("drawing", stain, mode=mode)
        for stain in ("grey", "h_and_e")
        for mode in ("easy", "hard")
    ]


def time_drawing(trial: Trial) -> dict[str, Any]:
    stain: Any = trial.network
    mode: Any = trial.mode
    settings = SyndromeTiles(
        count=2000, patients=80, stain=stain, mode=mode, alteration=1.0, patient_effect=1.0
    )
    start = time.process_time()
    drawn = sum(1 for _ in draw_tiles(settings, (96, 128), 0))
    spent = time.process_time() - start
    return {"images": drawn, "cpu_s": round(spent, 2)}


def gradients() -> list[Trial]:
    kinds: dict[str, dict[str, Any]] = {
        "sigmoid": {"act_layer": "sigmoid"},
        "ReLU": {},
        "ReLU, batch norm": {"batch_norm": True},
    }
    return [Trial("gradients", "alexnet", name, options=o) for name, o in kinds.items()]


def gradient_norms(trial: Trial) -> dict[str, Any]:
    """Root mean square of the gradient per layer at the start, mean of 5 batches."""
    x, y, *_ = pictures("easy", trial.px)
    network = build(trial)
    found = []
    for part in torch.split(torch.arange(5 * BATCH), BATCH):
        network.zero_grad()
        loss = nn.functional.cross_entropy(network(prepared(x[part], "standard")), y[part])
        loss.backward()  # type: ignore[no-untyped-call]
        found.append([value for _, value in norms(network)])
    means = np.mean(found, axis=0)
    return {"norms": " ".join(f"{v:.3g}" for v in means), "images": 5 * BATCH}


Measure = Callable[[Trial], dict[str, Any]]
PARTS: dict[str, tuple[Callable[[], list[Trial]], Measure]] = {
    "drawing": (drawing_speed, time_drawing),
    "colour": (colour, by_colour),
    "gradients": (gradients, gradient_norms),
    "goal": (goal, learn),
    "standstill": (standstill, learn),
    "comparison": (comparison, learn),
    "slower": (slower, learn),
    "by heart": (by_heart, learn_by_heart),
    "activations": (activations, learn),
}
KEYS = ["part", "network", "setting", "seed", "mode", "px", "recipe"]
COLUMNS = [
    *KEYS,
    *("accuracy", "most_frequent", "spread", "train_loss", "first_gradient", "images", "cpu_s"),
    *("parameters", "norms", "date"),
]


def measure(parts: list[str]) -> None:
    """Add the rows that are missing, each as soon as it is known."""
    known = set()
    if TABLE.exists():
        known = {tuple(row[k] for k in KEYS) for row in csv.DictReader(TABLE.open())}
    else:
        TABLE.write_text(",".join(COLUMNS) + "\n", encoding="utf-8")
    for part in parts:
        plan, run = PARTS[part]
        for trial in plan():
            if trial.key in known:
                continue
            found = {k: f"{v:.4g}" if isinstance(v, float) else v for k, v in run(trial).items()}
            row = dict(zip(KEYS, trial.key, strict=True)) | found
            row["date"] = datetime.date.today().isoformat()
            with TABLE.open("a", newline="", encoding="utf-8") as file:
                csv.DictWriter(file, COLUMNS, lineterminator="\n").writerow(row)
            print({k: v for k, v in row.items() if k != "date"}, flush=True)


def planned(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of today's recipes; those of earlier ones stay in the table alone."""
    keys = {trial.key for plan, _ in PARTS.values() for trial in plan()}
    return rows[[key in keys for key in zip(*(rows[k].astype(str) for k in KEYS), strict=True)]]


def interval(values: "pd.Series[float]") -> str:
    """Mean and 95 % interval (t) over seeds."""
    if len(values) < 2:
        return f"{values.mean():.3f} (one seed)"
    half = stats.t.ppf(0.975, len(values) - 1) * values.std() / math.sqrt(len(values))
    return f"{values.mean():.3f} ± {half:.3f}"


def tell(rows: pd.DataFrame) -> None:
    """Print the tables of docs/networks.md."""
    rows = rows.assign(ms=1000 * rows.cpu_s / rows.images)
    base = rows[(rows.part == "comparison") & (rows.network == "lenet5")].ms.min()
    for part in ("comparison", "goal", "activations"):
        some = rows[rows.part == part]
        for (network, setting, mode), found in some.groupby(
            ["network", "setting", "mode"], sort=False
        ):
            cost = f"x {found.ms.min() / base:.0f} a picture, {found.cpu_s.mean():.0f} s"
            print(
                f"| {part} | {network} | {setting} | {mode} | {interval(found.accuracy)} | {cost}"
            )
    shown = ["setting", "accuracy", "most_frequent", "spread", "train_loss", "first_gradient"]
    print(rows[rows.part == "standstill"][shown].to_string(index=False))
    shown = ["network", "parameters", "accuracy", "train_loss", "images", "cpu_s"]
    print(rows[rows.part == "by heart"][shown].to_string(index=False))
    print(rows[rows.part == "colour"][["mode", "accuracy"]].to_string(index=False))
    drawn = rows[rows.part == "drawing"]
    print((1000 / drawn.ms).round().tolist(), "pictures a second", drawn.network.tolist())


def draw(rows: pd.DataFrame) -> None:
    """The vanishing gradient in one picture."""
    from matplotlib import pyplot as plt

    plt.rcParams["svg.hashsalt"] = "histotile"
    figure, axes = plt.subplots(figsize=(6, 3.4), layout="constrained")
    some = rows[rows.part == "gradients"]
    for setting, text in zip(some.setting, some.norms, strict=True):
        values = [float(v) for v in text.split()]
        axes.semilogy(range(1, len(values) + 1), values, marker="o", label=setting)
    axes.set_xlabel("layer of alexnet, shallow to deep (1-5 convolutions, 6-8 dense)")
    axes.set_ylabel("gradient of a weight (RMS)")
    axes.legend(frameon=False)
    figure.savefig(PICTURE, metadata={"Date": None})


def draw_sheet() -> None:
    """Three pictures of each syndrome, grey and H&E, easy and hard."""
    rows = []
    for stain, mode in ((s, m) for s in ("grey", "h_and_e") for m in ("easy", "hard")):
        settings = SyndromeTiles(
            count=48,
            patients=16,
            stain=stain,
            mode=mode,
            alteration=1.0,
            patient_effect=1.0,
        )
        tiles = sorted(draw_tiles(settings, (96, 128), 0), key=lambda t: CLASSES.index(t.syndrome))
        pixels = [tile.picture.pixels for tile in tiles[::4]]
        rows.append(np.hstack([p if p.ndim == 3 else p[..., None].repeat(3, 2) for p in pixels]))
    Image.fromarray(np.vstack(rows)).quantize(96).save(SHEET, optimize=True)


def main() -> None:
    assert default_cfgs  # the networks are in timm's registry
    torch.set_num_threads(1)
    measure(sys.argv[1:] or list(PARTS))
    rows = planned(pd.read_csv(TABLE))
    tell(rows)
    if "gradients" in set(rows.part):
        draw(rows)
    draw_sheet()


if __name__ == "__main__":
    main()
