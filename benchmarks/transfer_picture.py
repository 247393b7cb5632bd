"""From transfer.csv: the picture docs/transfer.svg and transfer_summary.csv."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd

HERE = Path(__file__).parent
CELLS = ("fixed", "early_fixed", "finetune", "init")
WORDS = {
    "fixed": "fixed features",
    "early_fixed": "early layers fixed",
    "finetune": "fine-tuning",
    "init": "weights as a start",
    "scratch": "from scratch",
    "colour": "colour alone",
}
COLOURS = ("#0067a3", "#56b4e9", "#e69f00", "#b34700", "#55606e", "#9aa3ad")


def summarise(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean score of every strategy applied everywhere and of the table, with their regrets.

    Regret: best of the four cells minus the strategy, per setting. Intervals: 95 %, settings
    resampled by data set, backbone and size, so that the seeds of one stay together.
    """
    best = rows[list(CELLS)].max(axis=1)
    keys = rows[["dataset", "backbone", "groups"]].astype(str).agg("/".join, axis=1)
    table = pd.Series([row[row["choice"]] for _, row in rows.iterrows()], index=rows.index)
    found: list[dict[str, Any]] = []
    for name in ("table", *CELLS, "scratch", "colour"):
        scores = table if name == "table" else rows[name]
        regret = (best - scores).groupby(keys).mean().to_numpy()
        rng = np.random.default_rng(0)
        draws = regret[rng.integers(0, len(regret), (4000, len(regret)))].mean(axis=1)
        low, high = np.quantile(draws, (0.025, 0.975))
        found.append(
            {
                "strategy": name,
                "settings": len(rows),
                "mean_auroc": round(float(scores.mean()), 4),
                "mean_regret": round(float((best - scores).mean()), 4),
                "low": round(float(low), 4),
                "high": round(float(high), 4),
                "worst_regret": round(float((best - scores).max()), 4),
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
        for size, of_size in some.groupby("groups"):
            for choice, count in of_size["choice"].value_counts().items():
                axis.scatter(
                    mean.loc[size, "tiles"],
                    mean.loc[size, str(choice)],
                    s=40 + 45 * count,
                    facecolors="none",
                    edgecolors="#1b2430",
                    linewidths=1.6,
                    zorder=5,
                )
        axis.set_xscale("log")
        axis.set_title(f"{dataset}, {backbone}", fontsize=10)
        axis.set_xlabel("training tiles")
        axis.grid(alpha=0.25)
    axes[0, 0].set_ylabel("tile AUROC, held-out")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=6, frameon=False, fontsize=9)
    figure.suptitle("Rings: what the table chose (larger: in more of the seeds)", fontsize=11)
    figure.tight_layout(rect=(0, 0.05, 1, 0.98))
    figure.savefig(path)
    plt.close(figure)


def main() -> None:
    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "histotile"
    rows = pd.read_csv(HERE / "transfer.csv")
    summary = summarise(rows)
    summary.to_csv(HERE / "transfer_summary.csv", index=False)
    print(summary.to_string(index=False))
    draw(rows, HERE.parent / "docs" / "transfer.svg")


if __name__ == "__main__":
    main()
