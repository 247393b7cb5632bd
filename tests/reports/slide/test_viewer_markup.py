"""The viewer inside the page, as text: what a browser must be able to rely on."""

import re
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from histotile.errors import HistotileError
from histotile.heatmaps.probability_map import ProbabilityMap
from histotile.heatmaps.regions import find_regions
from histotile.reports import rendering, scripts
from histotile.reports.facts import SlideFacts
from histotile.reports.images import TopTile
from histotile.reports.rendering import viewer_scripts
from histotile.reports.slide.page import render_slide_page
from histotile.reports.slide.viewer_data import Scene

VIEWER = Path(str(files("histotile.reports").joinpath("viewer")))
NASTY = "</script><script>alert(1)</script>"


@pytest.fixture
def html(make_slide: Callable[..., SlideFacts]) -> str:
    """A page of 2 x 3 tiles whose ids and names are hostile."""
    values = np.array([[[0.9, 0.2, np.nan], [0.1, 0.7, 0.6]]], np.float32)
    found = ProbabilityMap(values, (NASTY,), 0.0, 0.0, 100.0, 100.0)
    corners = np.array([0, 100, 0, 100, 200]), np.array([0, 0, 100, 100, 100])
    p = values[0][~np.isnan(values[0])][:, None]
    scene = Scene(
        300, 200, 0.5, NASTY, 0.5, 0.5, "viridis", found, 100.0, corners, p, {NASTY: corners}
    )
    tile = TopTile(np.zeros((8, 8, 3), np.uint8), 0.9, 0, 0, [(NASTY, 0.9)])
    return render_slide_page(
        make_slide(
            NASTY,
            shown_class=NASTY,
            scene=scene,
            picture=np.zeros((200, 300, 3), np.uint8),
            regions=find_regions(found, None, 0.5, 0.5),
            top_tiles=[tile],
            uncertain_tiles=[tile],
        )
    )


def list_scripts(html: str) -> Iterator[tuple[str, str]]:
    """Attributes and text of each script of a page."""
    for found in re.finditer(r"<script([^>]*)>(.*?)</script>", html, re.DOTALL):
        yield found[1], found[2]


def test_only_our_scripts_run(html: str) -> None:
    parts = list(list_scripts(html))
    assert parts[0][0] == ' type="application/json" id="scene"'
    assert [text for _, text in parts[1:]] == [str(script.text) for script in viewer_scripts()]
    policy = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', html)
    allowed = policy[0].partition("script-src ")[2]
    assert allowed.split() == [script.source for script in viewer_scripts()]
    assert "img-src data:;" in policy[0]
    assert "unsafe-inline" not in allowed and "alert(1)</script>" not in html


def test_every_control_has_a_name_and_every_id_is_one(html: str, read: Any) -> None:
    page = read(html)
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    named = page.values("aria-labelledby") + page.values("for") + page.values("aria-describedby")
    assert set(named) <= {*ids, "panel-title"}  # the panel of a tile brings its own title
    sliders = [a for tag, a in page.elements if tag == "input" and a["type"] == "range"]
    assert {slider["id"] for slider in sliders} <= set(page.values("for", "label"))
    buttons = [a for tag, a in page.elements if tag == "button" and "data-act" in a]
    assert len(buttons) == 4 and all(button["aria-label"] for button in buttons)


def test_without_scripts_the_still_picture_and_the_table_stand(html: str, read: Any) -> None:
    page = read(html)
    viewer = next(attributes for _, attributes in page.elements if attributes.get("id") == "viewer")
    assert "hidden" in viewer
    assert ("figure", {"class": "still"}) in page.elements
    assert "1 0.0050 0.700 0.650 150, 150 2 0.0025 0.900 0.900 50, 50" in page.text


def test_page_without_a_scene_has_neither_viewer_nor_scripts(
    make_slide: Callable[..., SlideFacts], make_quarantined: Callable[..., SlideFacts], read: Any
) -> None:
    for facts in (make_slide(), make_quarantined()):
        tags = [tag for tag, _ in read(render_slide_page(facts)).elements]
        assert not {"script", "button", "input", "canvas"} & set(tags)


def test_every_script_of_the_viewer_is_brought_and_short() -> None:
    brought = {f"{name}.js" for name in rendering._VIEWER.split()}
    assert brought | {"cohort.js"} == {path.name for path in VIEWER.glob("*.js")}
    for path in VIEWER.iterdir():
        if path.name != "openseadragon.min.js":
            text = path.read_text(encoding="utf-8")
            assert text.count("\n") <= 250, path.name
            assert not re.search(r"innerHTML|insertAdjacentHTML|document\.write|eval\(", text)


def test_a_missing_openseadragon_names_the_set_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scripts, "files", lambda _: tmp_path)
    with pytest.raises(HistotileError, match="make setup"):
        viewer_scripts.__wrapped__()
