"""The page of a slide scanned in part, in a real Chromium: what is drawn lies in its place."""

import base64
import io
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

pytestmark = pytest.mark.slow

Run = Any  # PartlyScanned of conftest.py


@pytest.fixture
def page(browser: Any, partly_scanned: Run) -> Any:
    """The browser with the page, drawn."""
    from selenium.webdriver.support.ui import WebDriverWait

    size = {"width": 1280, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(partly_scanned.file("report/slides", ".html").as_uri())
    drawn = "return performance.getEntriesByName('slide drawn').length > 0"
    WebDriverWait(browser, 20).until(lambda b: b.execute_script(drawn))
    return browser


def look_at(page: Any, x: float, y: float, width: float, height: float) -> None:
    """Shows that part of the slide, level-0 px, and waits until it is drawn."""
    page.execute_async_script(
        """
        const [x, y, width, height, done] = arguments, {viewer, overlay} = histotile;
        const {viewport} = viewer;
        viewport.fitBounds(viewport.imageToViewportRectangle(x, y, width, height), true);
        const wait = () => requestAnimationFrame(() => requestAnimationFrame(() => {
          const still = viewport.getBounds(true).equals(viewport.getBounds());
          still && !overlay.isAsked && viewer.world.getItemAt(0).getFullyLoaded() ? done() : wait();
        }));
        overlay.drawNow();
        wait();""",
        *(x, y, width, height),
    )


def canvas(page: Any, which: str) -> NDArray[np.uint8]:
    """The px of a canvas, (h, w, 4)."""
    uri = page.execute_script(f"return {which}.toDataURL()")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


def at(page: Any, x: float, y: float) -> tuple[int, int]:
    """Row and column of a level-0 px on the screen, as OpenSeadragon counts."""
    px = page.execute_script(
        "const v = histotile.viewer.viewport, p = v.pixelFromPoint("
        "v.imageToViewportCoordinates(arguments[0], arguments[1]), true); return [p.x, p.y]",
        *(x, y),
    )
    return int(px[1]), int(px[0])


def test_regions_have_the_known_places(page: Any, partly_scanned: Run) -> None:
    (region,) = page.execute_script("return histotile.state.regions")
    left, top, right, bottom = partly_scanned.lesion
    half = partly_scanned.side / 2
    assert (region["peak"]["x"], region["peak"]["y"]) == (left + half, top + half)
    bounds = [region["bounds"][name] for name in ("x", "y", "width", "height")]
    assert bounds == [left, top, right - left, bottom - top]
    row = page.find_element("css selector", "[data-part=regions] tbody tr").text
    assert f"{left + half:,.0f}, {top + half:,.0f}" in row


def test_lesion_is_painted_and_its_surroundings_are_not(page: Any, partly_scanned: Run) -> None:
    run = partly_scanned
    for layer in ("contour", "mask", "outlines"):
        for checkbox in page.find_elements("css selector", f"[data-layer={layer}]"):
            if checkbox.is_selected():
                checkbox.click()
    left, top, right, bottom = run.lesion
    look_at(page, 0, 0, *run.size)
    px = at(page, run.size[0], 0)[1] - at(page, 0, 0)[1]
    out = 2 * run.size[0] / px  # two px of the screen
    heat = canvas(page, "histotile.overlay.canvas")[..., 3]
    middle = (left + right) / 2, (top + bottom) / 2
    inside = [middle, (left + out, top + out), (right - out, bottom - out)]
    beside = [
        (left - out, middle[1]),
        (right + out, middle[1]),
        (middle[0], top - out),
        (middle[0], bottom + out),
        (middle[0] - run.bounds[0], middle[1] - run.bounds[1]),  # as if the corner were forgotten
        (middle[0] + run.bounds[0], middle[1] + run.bounds[1]),  # and as if it were added twice
    ]
    assert all(heat[at(page, *place)] > 100 for place in inside)
    assert all(heat[at(page, *place)] < 20 for place in beside)


def test_contour_surrounds_what_is_dark_on_the_picture(page: Any, partly_scanned: Run) -> None:
    left, top, right, bottom = partly_scanned.lesion
    page.find_element("css selector", "[data-layer=heat]").click()
    look_at(page, left - 200, top - 200, right - left + 400, bottom - top + 400)
    lines = canvas(page, "histotile.overlay.canvas")
    drawn = np.nonzero(lines[..., 3] > 200)
    slide = canvas(page, "histotile.viewer.drawer.canvas")
    dark = np.nonzero((slide[..., :3].max(axis=2) < 150) & (slide[..., 3] > 0))
    for line, stained in zip(drawn, dark, strict=True):  # down, across
        assert np.ptp(line) > 200
        ends = [stained.min(), stained.max()]
        np.testing.assert_allclose([line.min(), line.max()], ends, atol=4)
