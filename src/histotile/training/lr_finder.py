"""Learning-rate range test: how the loss goes while the rate rises from step to step.

(Lightning's finder gives all layers one rate, so it cannot judge a recipe whose early layers learn
more slowly, and leaves files behind when it is stopped.)
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from histotile.io.atomic import replacing
from histotile.training.dataloader import Batch, Feed
from histotile.training.lightning_module import TileModule
from histotile.training.optimizer import make_optimizer

LOWEST, HIGHEST = 1e-6, 10.0  # rates of the deepest layers
DIVERGED = 4.0  # times the loss at the start
_SPREAD = 3.0  # standard deviation of the smoothing, steps
_SURE = 4.0  # standard errors by which the loss must fall
_LEAST_FALL = 0.02  # of the loss at the start: less is no descent, however sure

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class RangeTest:
    """Rates of the deepest layers in rising order, with the loss of the step made at each.

    `suggestion` is the rate of the steepest descent, `second_opinion` a tenth of that of the least
    loss; None where the loss never fell.
    """

    lr: tuple[float, ...]
    loss: tuple[float, ...]
    smoothed: tuple[float, ...]
    suggestion: float | None
    second_opinion: float | None
    reason: str


def range_test(module: TileModule, feed: Feed, steps: int, portions: int = 1) -> RangeTest:
    """The loss of so many steps while the rate rises; ends early where the loss explodes.

    Optimizer, clipping, augmentation and the rates of layers relative to each other are those of
    the training. Weights and statistics of the network are put back.

    Args:
        module: The network, ready to learn.
        feed: Its training tiles.
        steps: From the lowest rate to the highest.
        portions: Batches whose gradients make one step.
    """
    kept = {name: value.clone() for name, value in module.state_dict().items()}
    try:
        losses = list(_losses(module, feed, steps, portions))
    finally:
        module.to("cpu").load_state_dict(kept)
    return judge(_rates(steps)[: len(losses)], losses)


def _rates(steps: int) -> Floats:
    return np.geomspace(LOWEST, HIGHEST, steps)


def _losses(module: TileModule, feed: Feed, steps: int, portions: int) -> Iterator[float]:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    module.to(device).train()
    optimizer = make_optimizer(module.network, module.recipe)
    peak = optimizer.param_groups[-1]["lr"]
    shares = [group["lr"] / peak for group in optimizer.param_groups]
    batches = chain.from_iterable(repeat(feed))
    calm: list[float] = []  # losses at rates that change nothing yet
    for rate in _rates(steps).tolist():
        for group, share in zip(optimizer.param_groups, shares, strict=True):
            group["lr"] = rate * share
        loss = _step(module, optimizer, [next(batches) for _ in range(portions)], device)
        yield loss
        if rate <= 10 * LOWEST:
            calm.append(loss)
        if not loss <= DIVERGED * max(calm):
            return


def _step(
    module: TileModule, optimizer: torch.optim.Optimizer, batches: Sequence[Batch], device: str
) -> float:
    optimizer.zero_grad()
    total = 0.0
    for batch in batches:
        tiles, labels, numbers = batch
        loss = module.loss((tiles.to(device), labels.to(device), numbers)) / len(batches)
        loss.backward()  # type: ignore[no-untyped-call]
        total += float(loss.detach())
    if module.recipe.clip is not None:
        torch.nn.utils.clip_grad_norm_(module.network.parameters(), module.recipe.clip)
    optimizer.step()
    return total


def judge(rates: Floats, losses: Sequence[float]) -> RangeTest:
    """What a range test says.

    The loss fell if its smoothed curve comes down from the level of the lowest rates by more than
    the noise of single steps explains.

    Args:
        rates: Rising.
        losses: Of the steps; the last one may be infinite or NaN.
    """
    raw = np.asarray(losses, np.float64)
    calm = raw[rates <= 10 * LOWEST]
    start = float(calm.mean())
    if not np.isfinite(start):
        reason = "the loss is no number at the lowest rates already"
        told = (tuple(rates.tolist()), tuple(raw.tolist()), tuple(raw.tolist()))
        return RangeTest(*told, None, None, reason)
    bounded = np.minimum(np.where(np.isfinite(raw), raw, np.inf), 2 * start)
    smooth = gaussian_filter1d(bounded, _SPREAD, mode="nearest")
    least = int(smooth.argmin())
    fall = start - float(smooth[least])
    error = _noise(bounded) * np.sqrt(1 / (2 * _SPREAD * np.sqrt(np.pi)) + 1 / len(calm))
    curve = (tuple(rates.tolist()), tuple(raw.tolist()), tuple(smooth.tolist()))
    if fall <= max(_SURE * error, _LEAST_FALL * start) or least == 0:
        reason = f"the loss never fell below {start:.3g} by more than its noise, at any rate"
        return RangeTest(*curve, None, None, reason)
    slopes = np.gradient(smooth, np.log10(rates))
    steepest = int(slopes[: least + 1].argmin())
    reason = (
        f"the loss fell from {start:.3g} to {smooth[least]:.3g} at a rate of {rates[least]:.2g}"
    )
    return RangeTest(*curve, float(rates[steepest]), float(rates[least]) / 10, reason)


def _noise(losses: Floats) -> float:
    """Standard deviation of a step's loss about the curve, from differences of neighbours."""
    half = losses[: max(4, len(losses) // 2)]  # later steps may leap
    return float(np.sqrt(np.mean(np.diff(half) ** 2) / 2))


def draw_range_test(path: Path, found: RangeTest, current: float) -> None:
    """The losses over the rates as SVG, with both suggestions and the rate of the settings."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot(found.lr, found.loss, ".", color="#999999", label="each step")
    axes.plot(found.lr, found.smoothed, color="#0072B2", label="smoothed")
    marks = (
        (found.suggestion, "#009E73", "-", "steepest descent"),
        (found.second_opinion, "#D55E00", "--", "a tenth of the least loss"),
        (current, "#555555", ":", "in force"),
    )
    for rate, colour, line, label in marks:
        if rate is not None:
            axes.axvline(rate, color=colour, linestyle=line, label=f"{label}: {rate:.2g}")
    top = 2 * max(found.smoothed[0], min(found.smoothed))
    axes.set(xscale="log", xlabel="learning rate of the head", ylabel="loss of a step")
    axes.set(title=found.reason)
    if np.isfinite(top):
        axes.set(ylim=(0, top))
    axes.legend(frameon=False)
    with rc_context({"svg.hashsalt": "histotile"}), replacing(path) as temporary:
        figure.savefig(temporary, format="svg", metadata={"Date": None})
