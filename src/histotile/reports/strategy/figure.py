"""The table of transfer learning with this cohort on it, as SVG."""

from dataclasses import dataclass

import numpy as np

from histotile.reports.rendering import render
from histotile.strategy.record import STRATEGIES, Decision, Strategy

# The four strategies: what they are called, and what they do, for readers who train no networks.
TITLES: dict[Strategy, tuple[str, str, str]] = {
    "linear_probe": ("Linear probe", "the network as it comes;", "only a linear head learns"),
    "early_probe": ("Early probe", "a linear head learns", "on early stages, too"),
    "finetune": ("Fine-tuning", "all layers learn,", "in small steps"),
    "retrain": ("Retraining", "all layers learn,", "in large steps"),
}
LEFT, TOP, WIDTH, HEIGHT = 70, 58, 640, 500
STRIP = 66  # px below the cells, where no head is enough: retraining at any size
WORDS = 112  # px kept free for a cell's words, at the top of upper and the bottom of lower cells
SMALL, LARGE = 0.42, 0.58  # where the borderline band begins and ends, share of the width
REACH_SMALL, REACH_LARGE = 2.3, 2.0  # natural logarithms shown left and right of the band


@dataclass(frozen=True)
class Dot:
    """A position on the picture, px."""

    x: float
    y: float


@dataclass(frozen=True)
class Cell:
    """A rectangle of the table with its words and its share of the resamples."""

    strategy: Strategy
    name: str
    lines: tuple[str, str]
    x: float
    y: float
    width: float
    height: float
    share: float
    chosen: bool


def draw_decision(decision: Decision) -> str:
    """SVG of the four cells, the cohort's position, and the positions of resampled cohorts."""
    rng = np.random.default_rng(0)
    jitter = rng.uniform(-4, 4, (len(decision.bootstrap), 2))  # shows how many lie on one place
    bootstrap = [
        Dot(_x(point.x) + dx, _y(point.y) + dy)
        for point, (dx, dy) in zip(decision.bootstrap, jitter, strict=True)
    ]
    return render(
        "decision_table.svg",
        decision=decision,
        cells=[_cell(decision, strategy) for strategy in STRATEGIES],
        strip=(
            TOP + HEIGHT,
            STRIP,
            _share(decision, below=True),
            decision.similarity.is_start_only,
        ),
        bootstrap=bootstrap,
        here=Dot(_x(decision.position.x), _y(decision.position.y)),
        band=(LEFT + SMALL * WIDTH, (LARGE - SMALL) * WIDTH),
        frame=(LEFT, TOP, WIDTH, HEIGHT),
        foot=TOP + HEIGHT + STRIP,
        sentence=describe(decision),
        blind=is_blind(decision),
    ).strip()


def describe(decision: Decision) -> str:
    """The picture in words, for readers who cannot see it."""
    shares = ", ".join(
        f"{TITLES[s][0].lower()} {100 * decision.frequencies.get(s, 0):.0f} %" for s in STRATEGIES
    )
    return (
        f"Table of transfer learning. {decision.size.verdict.capitalize()} cohort, "
        f"{decision.similarity.words}. {'Trained' if is_blind(decision) else 'Chosen'}: "
        f"{TITLES[decision.strategy][0].lower()}."
        + ("" if is_blind(decision) else f" Share of resampled cohorts per strategy: {shares}.")
    )


def is_blind(decision: Decision) -> bool:
    """Whether nothing learnable was measured, so that no cell of the table is chosen."""
    return decision.similarity.basis == "nothing"


def _share(decision: Decision, below: bool) -> float:
    """Share of resampled cohorts in the strip below the cells, or in the cell of retraining."""
    there = [p.strategy == "retrain" and (p.y < -1) == below for p in decision.bootstrap]
    return sum(there) / max(len(there), 1)


def _cell(decision: Decision, strategy: Strategy) -> Cell:
    left = strategy in ("linear_probe", "early_probe")
    upper = strategy in ("linear_probe", "finetune")
    middle = SMALL if upper else LARGE  # borderline cohorts go by the gain of their last stage
    name, *lines = TITLES[strategy]
    return Cell(
        strategy=strategy,
        name=name,
        lines=(lines[0], lines[1]),
        x=LEFT + (0 if left else middle * WIDTH),
        y=TOP + (0 if upper else HEIGHT / 2),
        width=WIDTH * (middle if left else 1 - middle),
        height=HEIGHT / 2,
        share=_share(decision, below=False)
        if strategy == "retrain"
        else decision.frequencies.get(strategy, 0.0),
        chosen=strategy == decision.table_strategy
        and not is_blind(decision)
        and not decision.similarity.is_start_only,
    )


def _x(value: float) -> float:
    if value < 0:
        share = SMALL * (1 + max(value, -REACH_SMALL) / REACH_SMALL)
    elif value <= 1:
        share = SMALL + value * (LARGE - SMALL)
    else:
        share = LARGE + (1 - LARGE) * min(value - 1, REACH_LARGE) / REACH_LARGE
    return LEFT + 12 + share * (WIDTH - 24)


def _y(value: float) -> float:
    if value < -1:
        return TOP + HEIGHT + STRIP * (0.15 + 0.7 * min(-1 - value, 1.0))
    return TOP + HEIGHT / 2 - (HEIGHT / 2 - WORDS) * min(max(value, -1.0), 1.0)
