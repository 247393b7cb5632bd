"""From the rows at 64 px of transfer.csv: docs/transfer.svg, and transfer_summary.csv.

The summary holds every strategy applied everywhere against the table: by the rule in force, by the
textbook rule it started from, and with thresholds fitted on one data set and applied to the other.
What the rows of larger tiles say is printed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from numpy.typing import NDArray

HERE = Path(__file__).parent
REAL = ("imagenet_035", "imagenet_100")  # the rest is shown, and not counted
Floats = NDArray[np.float64]
STRATEGIES = ("linear_probe", "early_probe", "finetune", "retrain")
WORDS = {
    "linear_probe": "linear probe",
    "early_probe": "early probe",
    "finetune": "fine-tuning",
    "retrain": "retraining",
    "scratch": "from scratch",
    "colour": "colour alone",
}
COLOURS = ("#0067a3", "#56b4e9", "#e69f00", "#b34700", "#55606e", "#9aa3ad")


@dataclass(frozen=True)
class Rule:
    """A version of the table.

    Args:
        borderline: Least gain from which a borderline cohort counts as large.
        min_gain: Least gain of a large cohort for weights to be more than a start.
        min_best_gain: Gain of the best stage below which, for certain, weights are only a start.
        textbook: Both sizes ask both questions, of the last stage.
    """

    borderline: float
    min_gain: float
    min_best_gain: float = -1e9
    textbook: bool = False

    def choose(self, row: Any) -> str:
        """The strategy for a setting."""
        large = row["size"] == "large" or (
            row["size"] == "borderline" and row["gain"] >= self.borderline
        )
        if row["basis"] == "saturated":
            return "linear_probe"
        if row["best_gain"] < self.min_best_gain and row["best_gain_high"] < 0:
            return "retrain"
        deep = bool(row["depth_sufficient"]) and row["basis"] != "prior"
        if self.textbook:
            similar = deep and row["gain"] >= self.min_gain and row["basis"] == "measured"
        else:
            similar = row["gain"] >= self.min_gain if large else deep
        if large:
            return "finetune" if similar else "retrain"
        if self.textbook and row["best_stage"] == row["last_stage"]:
            return "linear_probe"  # a head on the best stage
        return "linear_probe" if similar else "early_probe"


NEVER, ALWAYS = 2.0, -1e9
TEXTBOOK = Rule(NEVER, 0.25, textbook=True)
CANDIDATES = [
    Rule(border, gain, best)
    for border in (ALWAYS, -0.6, -0.3, -0.1, 0.0, 0.25, NEVER)
    for gain in (-2.0, -0.6, -0.3, -0.1, 0.0, 0.25)
    for best in (-1e9, -0.8, -0.4, -0.2, -0.1)
]


def regrets(rows: pd.DataFrame, choice: Sequence[str]) -> Floats:
    """(N,) best of the four strategies minus the chosen one."""
    scores = rows[list(STRATEGIES)].to_numpy()
    chosen = np.array([STRATEGIES.index(c) for c in choice])
    found: Floats = scores.max(axis=1) - scores[np.arange(len(rows)), chosen]
    return found


def crossed(rows: pd.DataFrame) -> list[str]:
    """The choice for each setting by the candidate that does best on the other data sets."""
    found = np.full(len(rows), "", dtype=object)
    for dataset in rows["dataset"].unique():
        here = (rows["dataset"] == dataset).to_numpy()
        there = rows[~here]
        best = min(
            CANDIDATES,
            key=lambda rule: float(
                regrets(there, [rule.choose(r) for _, r in there.iterrows()]).mean()
            ),
        )
        print(f"thresholds for {dataset}, fitted on the others: {best}")
        found[here] = [best.choose(r) for _, r in rows[here].iterrows()]
    return [str(choice) for choice in found]


def interval(values: Floats, keys: "pd.Series[str]") -> tuple[float, float]:
    """95 % of the means of resampled settings; those of one key are drawn together."""
    grouped = pd.Series(values).groupby(keys.to_numpy()).mean().to_numpy()
    rng = np.random.default_rng(0)
    draws = grouped[rng.integers(0, len(grouped), (4000, len(grouped)))].mean(axis=1)
    low, high = np.quantile(draws, (0.025, 0.975))
    return round(float(low), 4), round(float(high), 4)


def summarise(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean score and regret of every strategy applied everywhere, and of versions of the table.

    Intervals: 95 %, settings resampled by data set, backbone and size, so that the seeds of one
    stay together.
    """
    keys = rows[["dataset", "backbone", "groups"]].astype(str).agg("/".join, axis=1)
    choices = {
        "table": list(rows["choice"]),
        "table, thresholds fitted on the other set": crossed(rows),
        "textbook table": [TEXTBOOK.choose(row) for _, row in rows.iterrows()],
        **{strategy: [strategy] * len(rows) for strategy in STRATEGIES},
    }
    found: list[dict[str, Any]] = []
    for name, choice in choices.items():
        regret = regrets(rows, choice)
        low, high = interval(regret, keys)
        behind = regret - regrets(rows, choices["table"])
        behind_low, behind_high = interval(behind, keys)
        found.append(
            {
                "strategy": name,
                "settings": len(rows),
                "mean_auroc": round(float((rows[list(STRATEGIES)].max(axis=1) - regret).mean()), 4),
                "mean_regret": round(float(regret.mean()), 4),
                "low": low,
                "high": high,
                "worst_regret": round(float(regret.max()), 4),
                "behind_table": round(float(behind.mean()), 4),
                "behind_low": behind_low,
                "behind_high": behind_high,
            }
        )
    for baseline in ("scratch", "colour"):
        known = rows[baseline].notna()
        lead = rows.loc[known, list(STRATEGIES)].max(axis=1) - rows.loc[known, baseline]
        found.append(
            {
                "strategy": baseline,
                "settings": int(known.sum()),
                "mean_auroc": round(float(rows[baseline].mean()), 4),
                "mean_regret": round(float(lead.mean()), 4),
            }
        )
    return pd.DataFrame(found)


def draw(rows: pd.DataFrame, path: Path) -> None:
    """Score against number of training tiles, a panel per data set and backbone."""
    import matplotlib.pyplot as plt

    panels = sorted({(r.dataset, r.backbone) for r in rows.itertuples()})
    columns = min(3, len(panels))
    lines = -(-len(panels) // columns)
    figure, axes = plt.subplots(
        lines, columns, figsize=(4.4 * columns, 3.5 * lines), squeeze=False, sharex="row"
    )
    for axis in axes.flat[len(panels) :]:
        axis.set_visible(False)
    for axis, (dataset, backbone) in zip(axes.flat, panels, strict=False):
        some = rows[(rows.dataset == dataset) & (rows.backbone == backbone)]
        mean = some.groupby("groups").mean(numeric_only=True)
        for (name, words), colour in zip(WORDS.items(), COLOURS, strict=True):
            style = "--" if name in ("scratch", "colour") else "-"
            axis.plot(mean["tiles"], mean[name], style, color=colour, label=words, marker=".")
        for size in sorted(set(some["groups"])):
            of_size = some[some["groups"] == size]
            for choice, count in of_size["choice"].value_counts().items():
                axis.scatter(
                    of_size["tiles"].mean(),
                    of_size[str(choice)].mean(),
                    s=40 + 45 * int(count),
                    facecolors="none",
                    edgecolors="#1b2430",
                    linewidths=1.6,
                    zorder=5,
                )
        axis.set_xscale("log")
        axis.xaxis.set_minor_formatter(mpl.ticker.NullFormatter())
        axis.set_title(f"{dataset!s}, {backbone!s}", fontsize=10)
        axis.set_xlabel("training tiles")
        axis.grid(alpha=0.25)
    axes[0, 0].set_ylabel("tile AUROC, held-out")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=6, frameon=False, fontsize=9)
    figure.suptitle("Rings: what the table chose (larger: in more of the seeds)", fontsize=11)
    figure.tight_layout(rect=(0, 0.05, 1, 0.98))
    figure.savefig(path)
    plt.close(figure)


def tell_heads(rows: pd.DataFrame) -> str:
    """How far the head on two stages leads that on the last stage, and what knows no features."""
    keys = rows[["dataset", "px", "backbone", "groups"]].astype(str).agg("/".join, axis=1)
    over_last = (rows["early_probe"] - rows["linear_probe"]).to_numpy()
    over_blind = (rows["early_probe"] - rows[["colour", "random"]].max(axis=1)).to_numpy()
    low, high = interval(over_last, keys)
    return (
        f"{len(rows)} rows, {keys.nunique()} combinations: early_probe leads linear_probe by "
        f"{over_last.mean():+.3f} (95 % {low:+.3f} to {high:+.3f}), the better of colour and "
        f"random weights by {over_blind.mean():+.3f}"
    )


RULE = ("imagenet_035", "natural")  # backbones of the rows by which `retrain` became the rule
LIMITS = (0.6, 0.75, 0.8, 0.85, 0.9, 0.95, 0.985)  # AUROC of the best stage


def tell_trained(rows: pd.DataFrame) -> list[str]:
    """What trainings reach beside heads, and the regret of the table and of simpler rules."""
    rows = rows.dropna(subset=list(STRATEGIES)).reset_index(drop=True)
    keys = rows[["dataset", "px"]].astype(str).agg("/".join, axis=1)

    def told(name: str, values: Floats) -> str:
        known = np.isfinite(values)
        if not known.any():
            return f"{name}: no setting"
        each = pd.Series(np.flatnonzero(known).astype(str))
        low, high = interval(values[known], each)
        span = f"95 % {low:+.3f} to {high:+.3f}, {known.sum()} settings"
        return f"{name}: {values[known].mean():+.3f} ({span})"

    def limited(limit: float, some: pd.DataFrame) -> list[str]:
        return [
            "retrain" if row["best_score"] < limit else "early_probe" for _, row in some.iterrows()
        ]

    def behind(strategy: str) -> Floats:
        always, table = ([strategy] * len(rows), rows["choice"].tolist())
        return regrets(rows, always) - regrets(rows, table)

    lead = (rows["retrain"] - rows["early_probe"]).to_numpy()
    left_out = np.zeros(len(rows))
    for key in keys.unique():
        here = (keys == key).to_numpy()
        rest = rows[~here]
        limit = min(LIMITS, key=lambda limit: regrets(rest, limited(limit, rest)).mean())
        left_out[here] = regrets(rows[here], limited(limit, rows[here]))
        print(f"limit of the best stage for {key}, chosen on the others: {limit:g}")
    return [
        told("retrain - early_probe", lead),
        told("retrain - practitioner", (rows["retrain"] - rows["practitioner"]).to_numpy()),
        told("regret of the table", regrets(rows, rows["choice"].tolist())),
        *(told(f"regret of always {s}", regrets(rows, [s] * len(rows))) for s in STRATEGIES),
        told("regret of retrain below that limit, else early_probe", left_out),
        *(told(f"{s} behind the table", behind(s)) for s in STRATEGIES),
        *(
            told(f"retrain - early_probe, {size}", lead[(rows["size"] == size).to_numpy()])
            for size in sorted(set(rows["size"]))
        ),
    ]


def main() -> None:
    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "histotile"
    rows = pd.read_csv(HERE / "transfer.csv")
    large, rows = rows[rows["px"] != 64], rows[rows["px"] == 64]
    print(tell_heads(large), *tell_trained(large), sep="\n")
    unseen = large[~large["backbone"].isin(RULE)]
    if unseen["finetune"].notna().any():
        print("Backbones that the rule was not set by:", *tell_trained(unseen), sep="\n")
    parts = [summarise(rows[rows["backbone"].isin(REAL)]).assign(backbones="ImageNet")]
    rest = rows[~rows["backbone"].isin(REAL)]
    if len(rest):
        parts.append(summarise(rest).assign(backbones="shipped:natural"))
        parts.append(summarise(rows).assign(backbones="all"))
    summary = pd.concat(parts, ignore_index=True)
    summary.to_csv(HERE / "transfer_summary.csv", index=False)
    print(summary.to_string(index=False))
    draw(rows, HERE.parent / "docs" / "transfer.svg")


if __name__ == "__main__":
    main()
