"""The page that says whether the table chose well."""

from histotile.reports.rendering import render
from histotile.reports.strategy.figure import CELLS
from histotile.strategy.verification.regret import Verification

CONTROLS = {"colour": "Colour alone"}
VERDICTS = {
    "confirmed": ("good", "Confirmed: no other cell is better by more than the margin"),
    "not contradicted": ("warn", "Not contradicted: the data cannot tell the cells apart"),
    "contradicted": ("bad", "Contradicted: another cell is better"),
    "not checked": ("warn", "Not checked: the chosen cell was not rehearsed"),
}


def render_verification_page(verification: Verification) -> str:
    """One self-contained HTML page: verdict, regret, the score of every cell in every fold."""
    rows = sorted(verification.cells, key=lambda c: -c.score.value)
    names = {name: words[0] for name, words in CELLS.items()} | CONTROLS
    tag, verdict = VERDICTS[verification.verdict]
    if verification.budget == "probe":
        verdict += ", among the cells that learn from cached features"
    return render(
        "verification.html",
        verification=verification,
        rows=[*([verification.table] if verification.table else []), *rows, *verification.controls],
        names=names | {"table": "The table's choice"},
        chosen=sorted(set(verification.chosen.values())),
        folds=sorted(verification.chosen),
        tag=tag,
        verdict=verdict,
        banners=[],
        alarms=[],
    )
