"""The page that says whether other settings are worth it."""

import io
from collections.abc import Sequence
from itertools import accumulate

import numpy as np

from histotile.reports.rendering import render
from histotile.reports.strategy.figure import TITLES
from histotile.strategy.tuning.record import Parameter, Tuning

VERDICTS = {
    "worth it": ("good", "Worth it: the best trial is better on fresh divisions and seeds"),
    "perhaps": ("warn", "Perhaps: better on these patients, but it was chosen on them"),
    "not worth it": ("warn", "Not worth it: leave the settings as they are"),
    "not known": ("warn", "Not known"),
}


def render_tuning_page(tuning: Tuning) -> str:
    """One self-contained HTML page: verdict, gain, importance, best-so-far curve, trials, cost."""
    tag, verdict = VERDICTS[tuning.verdict]
    return render(
        "tune.html",
        tuning=tuning,
        tag=tag,
        verdict=verdict,
        strategy=next(words[0] for name, words in TITLES.items() if name == tuning.strategy),
        picture=draw_search(tuning),
        ranges={parameter.key: _range(parameter) for parameter in tuning.space},
        keys=list(dict.fromkeys(key for trial in tuning.trials for key in trial.settings)),
        banners=[],
        alarms=[],
    )


def best_so_far(scores: Sequence[float | None]) -> list[float]:
    """The best score up to each trial; NaN before the first one that has any."""
    known = [np.nan if score is None else score for score in scores]
    return list(accumulate(known, lambda best, score: float(np.fmax(best, score))))


def draw_search(tuning: Tuning) -> str:
    """SVG: scores of the trials with the best so far, and the importance of each setting."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    shares = tuning.importance or {}
    figure = Figure(figsize=(10 if shares else 6, 3.4), layout="constrained")
    search, *others = figure.subplots(1, 2 if shares else 1, squeeze=False)[0]
    scores = [trial.score for trial in tuning.trials]
    numbers = range(len(scores))
    points = [np.nan if score is None else score for score in scores]
    search.plot(numbers, points, "o", color="#0072B2", label="trial")
    search.step(numbers, best_so_far(scores), where="post", color="#D55E00", label="best so far")
    if scores[0] is not None:
        search.axhline(scores[0], color="#555555", linestyle=":", label="in force")
    failed = [number for number, score in enumerate(scores) if score is None]
    if failed:
        floor = [np.nanmin(points)] * len(failed)
        search.plot(failed, floor, "x", color="#000000", label="failed")
    search.set(xlabel="trial", ylabel=f"{tuning.score_name}, inner folds")
    search.xaxis.get_major_locator().set_params(integer=True)
    search.legend(frameon=False)
    for axes in others:
        names = list(shares)[::-1]
        axes.barh(names, [shares[name] for name in names], color="#0072B2")
        axes.set(xlabel="share of the scores' variance", xlim=(0, 1))
    written = io.StringIO()
    with rc_context({"svg.hashsalt": "histotile"}):
        figure.savefig(written, format="svg", metadata={"Date": None})
    return written.getvalue()


def _range(parameter: Parameter) -> str:
    if parameter.scale == "steps":
        return f"{parameter.low:+g} to {parameter.high:+g} steps of strength"
    scale = ", even on a log scale" if parameter.scale == "log" else ""
    return f"{parameter.low:g} to {parameter.high:g}{scale}"
