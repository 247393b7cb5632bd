"""The page that says whether the table chose well."""

from histotile.reports.rendering import render
from histotile.reports.strategy.figure import TITLES
from histotile.strategy.verification.baselines import NAMES
from histotile.strategy.verification.regret import Verification

BASELINES = {name: words.removeprefix("a ").capitalize() for name, words in NAMES.items()}
VERDICTS = {
    "confirmed": ("good", "Confirmed: no other strategy is better by more than the margin"),
    "not contradicted": ("warn", "Not contradicted: the data cannot tell the strategies apart"),
    "contradicted": ("bad", "Contradicted: another strategy is better"),
    "not checked": ("warn", "Not checked: the chosen strategy was not trained"),
}


def render_verification_page(verification: Verification) -> str:
    """One self-contained HTML page: verdict, regret, the score of every strategy in every fold."""
    rows = sorted(verification.strategies, key=lambda c: -c.score.value)
    names = {name: words[0] for name, words in TITLES.items()} | BASELINES
    tag, verdict = VERDICTS[verification.verdict]
    if tag == "good" and any(gap.is_open for gap in verification.gaps):
        tag = "warn"
    if verification.budget == "probe":
        tried = " and ".join(names[score.strategy].lower() for score in verification.strategies)
        trained = any(score.trains_layers for score in verification.strategies)
        verdict += (
            f", among {tried if trained else 'the strategies that learn from cached features'}"
        )
    return render(
        "verification.html",
        verification=verification,
        rows=[
            *([verification.table] if verification.table else []),
            *rows,
            *verification.baselines,
        ],
        names=names | {"table": "The table's choice"},
        chosen=sorted(set(verification.chosen.values())),
        folds=sorted(verification.chosen),
        tag=tag,
        verdict=verdict,
        banners=[],
        alarms=[],
    )
