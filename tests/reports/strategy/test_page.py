"""The pages of decision and verification."""

from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import pytest

from histotile.reports.strategy.figure import draw_decision
from histotile.reports.strategy.page import render_decision_page
from histotile.reports.strategy.verification_page import render_verification_page
from histotile.strategy.record import STRATEGIES, Decision
from histotile.strategy.verification.regret import StrategyScore, Verification

SVG = {"s": "http://www.w3.org/2000/svg"}
Make = Callable[..., Decision]
Read = Callable[[str], Any]


def ring(svg: str) -> tuple[float, float]:
    circle = next(iter(ElementTree.fromstring(svg).findall(".//s:circle[@r='11']", SVG)))
    return float(circle.attrib["cx"]), float(circle.attrib["cy"])


def test_the_ring_moves_right_with_size_and_up_with_similarity(make_decision: Make) -> None:
    places = {}
    for x in (-1.0, 0.5, 2.0):
        for y in (-0.5, 0.5):
            point = {"x": x, "y": y, "strategy": "linear_probe"}
            places[x, y] = ring(draw_decision(make_decision(position=point)))
    assert places[-1, -0.5][0] < places[0.5, -0.5][0] < places[2, -0.5][0]
    assert places[2, 0.5][1] < places[2, -0.5][1]


def test_the_ring_stands_in_the_cell_the_table_chose(make_decision: Make) -> None:
    corners = {
        "linear_probe": (-1, 1),
        "early_probe": (-1, -1),
        "finetune": (2, 1),
        "retrain": (2, -1),
    }
    for strategy, (x, y) in corners.items():
        size = make_decision().size.model_dump() | {
            "verdict": "small" if x < 0 else "large",
            "counts_as": "small" if x < 0 else "large",
        }
        svg = draw_decision(
            make_decision(
                size=size,
                table_strategy=strategy,
                position={"x": x, "y": 0.5 * y, "strategy": strategy},
            )
        )
        (frame,) = ElementTree.fromstring(svg).findall(".//s:rect[@stroke-width='3']", SVG)
        left, top, width, height = (float(frame.attrib[k]) for k in ("x", "y", "width", "height"))
        cx, cy = ring(svg)
        assert left < cx < left + width and top < cy < top + height


@pytest.mark.parametrize("basis", ["room", "foreign"])
def test_where_no_head_is_enough_the_ring_stands_below_the_table(
    make_decision: Make, basis: str
) -> None:
    similarity = make_decision().similarity.model_dump() | {
        "verdict": "different",
        "basis": basis,
    }
    point = {"x": -1.0, "y": -1.4, "strategy": "retrain"}
    cloud = [point, point, point | {"y": -0.5, "x": 1.5}, point | {"strategy": "early_probe"}]
    svg = draw_decision(
        make_decision(
            similarity=similarity, table_strategy="retrain", position=point, bootstrap=cloud
        )
    )
    tree = ElementTree.fromstring(svg)
    (frame,) = tree.findall(".//s:rect[@stroke-width='3']", SVG)
    top, height = float(frame.attrib["y"]), float(frame.attrib["height"])
    assert top < ring(svg)[1] < top + height
    assert float(frame.attrib["width"]) > 600, "small and large alike"
    texts = [text.text for text in tree.findall(".//s:text", SVG)]
    assert texts.count("25 % of resampled cohorts") == 1, "the cell of retraining"
    assert texts.count("50 % of resampled cohorts") == 1, "the strip"


def test_positions_far_outside_stay_on_the_picture(make_decision: Make) -> None:
    point = {"x": 40.0, "y": -3.0, "strategy": "retrain"}
    x, y = ring(draw_decision(make_decision(position=point)))
    assert 0 < x < 740 and 0 < y < 620


def test_the_picture_says_in_words_what_it_shows(make_decision: Make) -> None:
    svg = draw_decision(make_decision())
    description = ElementTree.fromstring(svg).findtext("s:desc", namespaces=SVG) or ""
    assert "early probe 86 %" in description and "different" in description


def test_the_page_gives_every_number_behind_the_decision(make_decision: Make, read: Read) -> None:
    page = read(render_decision_page(make_decision()))
    assert page.row("2 layer2, best, used")[1:3] == ["0.880 0.830 to 0.920", "0.740"]
    assert page.row("tumour") == ["320", "0", "9", "21"]
    assert page.row("Early probe chosen")[0] == "258"
    assert page.row("Linear probe")[0] == "1,026"
    assert page.terms["Gain of the last stage over random weights"].startswith("+0.120")
    for shown in ("0.41", "86 %"):
        assert shown in page.text
    assert page.count("good") == 1 and page.count("bad") == 0  # no alarm


def test_alarms_unknown_patients_and_a_forced_strategy_catch_the_eye(make_decision: Make) -> None:
    alarm = {
        "level": "error",
        "name": "near_duplicates",
        "fact": "3 % of tiles <script>",
        "remedy": "remove copies",
    }
    page = render_decision_page(
        make_decision(alarms=[alarm], has_patients=False, forced=True, strategy="finetune")
    )
    assert "3 % of tiles &lt;script&gt;" in page and "<script>" not in page
    assert "Patients are unknown" in page
    assert "It was set by hand; the table says <code>early_probe</code>" in page
    assert "no alarm" not in page


NEAR = {"level": "error", "name": "near_duplicates", "fact": "3 % of tiles", "remedy": "drop them"}
SITE = {"level": "error", "name": "site_label", "fact": "V 1.0", "remedy": "other slides"}


@pytest.mark.parametrize(
    ("alarms", "stop", "accepts", "title"),
    [
        ([NEAR], True, False, "Training is stopped: patients share tiles"),
        ([NEAR], True, True, "Error: patients share tiles (accepted by the user)"),
        ([NEAR], False, False, "Error: patients share tiles"),
        ([SITE], True, False, "Error: the site tells the label"),
        ([NEAR, SITE], True, False, "Training is stopped: patients share tiles; the site tells"),
        ([NEAR | {"level": "warning"}], True, False, "Early probe"),
    ],
)
def test_an_error_is_the_headline(
    make_decision: Make, alarms: list[Any], stop: bool, accepts: bool, title: str
) -> None:
    decision = make_decision(alarms=alarms, stop=stop)
    accepted = [alarm.finding.id for alarm in decision.alarms] if accepts else []
    page = render_decision_page(decision, accepted)
    assert f"<h1>{title}" in page
    assert page.count("3 % of tiles") == (NEAR["name"] in str(alarms)) * 2  # on top, and below


def test_what_is_excluded_is_counted_and_who_vanishes_is_named(
    make_decision: Make, read: Read
) -> None:
    left_out = {
        "tiles": {"tumour": {"blurred": 30, "pen ink": 2}},
        "unlabelled": {"between the overlap limits": 1200},
        "slides": ["s9"],
        "patients": ["P7 vanishes: quarantined: s9"],
    }
    page = read(render_decision_page(make_decision(left_out=left_out)))
    assert page.row("tumour")[:2] == ["320", "32 (30 blurred, 2 pen ink)"]
    assert page.row("healthy")[1] == "0"
    assert "1,200 tiles between the overlap limits" in page.text
    assert page.text.index("P7 vanishes") < page.text.index("Where the cohort lies")


def test_that_nothing_was_learnable_is_the_headline_and_no_cell_is_chosen(
    make_decision: Make, read: Read
) -> None:
    reasons = ["Nothing learnable was measured: the best stage reaches AUROC 0.52."]
    similarity = make_decision().similarity.model_dump() | {"basis": "nothing", "reasons": reasons}
    blind = make_decision(
        similarity=similarity,
        frequencies=dict.fromkeys(STRATEGIES, 0.0),
        position={"x": -1, "y": 0, "strategy": "early_probe"},
        folds=[make_decision().folds[0].model_dump() | {"basis": "nothing"}],
    )
    html = render_decision_page(blind)
    assert "<h1>Nothing learnable was measured</h1>" in html
    assert html.index("What would change it</h2>") < html.index("Where the cohort lies")
    assert "fold0: nothing learnable was measured" in read(html).text
    svg = draw_decision(blind)
    assert "resampled" not in svg and "nothing learnable was measured" in svg
    assert not ElementTree.fromstring(svg).findall(".//s:rect[@stroke-width='3']", SVG)


def verification(**changes: object) -> Verification:
    score = {"value": 0.83, "low": 0.77, "high": 0.88}
    row = {"folds": {"fold0": 0.8, "fold1": None}, "seconds": 1.0, "score": score}
    facts = {
        "histotile": "0.1",
        "research_use": "Research use only.",
        "budget": "full",
        "verdict": "not contradicted",
        "chosen": {"fold0": "linear_probe", "fold1": "retrain"},
        "strategies": [StrategyScore.model_validate(row | {"strategy": s}) for s in STRATEGIES],
        "baselines": [StrategyScore.model_validate(row | {"strategy": "colour"})],
        "table": StrategyScore.model_validate(row | {"strategy": "table"}),
        "rival": "retrain",
        "regret": {"value": 0.01, "low": -0.02, "high": 0.03},
        "selector_regret": 0.004,
        "margin": 0.01,
        "gaps": [],
        "reasons": ["retrain minus the table's choice: +0.010"],
    }
    return Verification.model_validate(facts | changes)


def test_the_verification_shows_verdict_regret_and_every_strategy() -> None:
    page = render_verification_page(verification())
    for words in ("Not contradicted", "+0.010", "-0.020 to +0.030", "Colour alone", "+0.004"):
        assert words in page


def test_a_baseline_that_may_do_as_well_is_in_the_headline() -> None:
    gap = {"strategy": "retrain", "tiles": 420}
    close = gap | {"baseline": "colour", "difference": {"value": 0.01, "low": -0.02, "high": 0.03}}
    far = gap | {
        "baseline": "random_weights",
        "difference": {"value": 0.2, "low": 0.1, "high": 0.3},
    }
    page = render_verification_page(verification(gaps=[close, far]))
    assert "<h1>Not contradicted; colour alone may do as well</h1>" in page
    assert "certainly better; 420 tiles" in page
    clear = render_verification_page(verification(gaps=[far]))
    assert "<h1>Not contradicted</h1>" in clear


def test_a_verification_that_could_not_be_made_says_so() -> None:
    page = render_verification_page(
        verification(
            verdict="not checked",
            budget="probe",
            table=None,
            rival=None,
            regret=None,
            selector_regret=None,
        )
    )
    assert "Not checked" in page and "verify.budget: full" in page
