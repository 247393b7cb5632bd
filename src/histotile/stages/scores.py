"""Rows of the table of slide scores, as the pages take them."""

from collections.abc import Mapping, Sequence

from histotile.reports.facts import SlideScore


def read_score(row: Mapping[str, str], classes: Sequence[str]) -> SlideScore:
    """The score in a row of aggregate/slides.csv; what it has no columns for is left out."""

    def by_class(prefix: str) -> dict[str, float]:
        texts = {name: row.get(f"{prefix}_{name}") for name in classes}
        return {name: float(text) for name, text in texts.items() if text}

    low, high = by_class("low"), by_class("high")
    return SlideScore(
        scores=dict.fromkeys(classes) | by_class("score"),
        pred=row["pred"] or None,
        fold=row["fold"] or None,
        intervals={name: (low[name], high[name]) for name in low if name in high},
        calibrated=by_class("calibrated"),
    )
