"""The viewer of a slide page in a real Chromium, against numbers computed from the data."""

import base64
import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from shapely.geometry import Polygon, box

from histotile.heatmaps.probability_map import ProbabilityMap
from histotile.heatmaps.regions import find_regions
from histotile.reports.facts import SlideFacts
from histotile.reports.images import TopTile
from histotile.reports.slide.deepzoom import write_pyramid
from histotile.reports.slide.page import render_slide_page
from histotile.reports.slide.viewer_data import Outline, Scene

pytestmark = pytest.mark.slow
WIDTH, HEIGHT, SIDE, MPP = 20011, 13777, 224.3, 0.5
AREA = r"Area with p ≥ (\S+): (\S+) mm² in (\d+) regions? (\S+) % of analysed tissue"
REQUEST = "Network.requestWillBeSent"
CLASSES = ("healthy", "border", "tumour")
NASTY = '<img src=x onerror=document.title="ran"></script><script>document.title="ran"</script>'


Make = Callable[..., Path]


def smooth_noise(rng: np.random.Generator, shape: tuple[int, ...], sigma: float) -> Any:
    noise = ndimage.gaussian_filter(rng.normal(size=shape), sigma)
    return (noise - noise.min()) / np.ptp(noise)


def paint_slide(tissue: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """Something like stained tissue, where `tissue` exceeds 0.45; about 1,400 px wide."""
    fine = ndimage.zoom(tissue, 1400 / tissue.shape[1], order=1)
    grain = smooth_noise(np.random.default_rng(1), fine.shape, 2)[..., None]
    stained = np.array([222, 160, 196]) * (1 - grain) + np.array([110, 60, 140]) * grain
    rgb = np.where((fine > 0.45)[..., None], stained, np.array([243, 241, 244]))
    return np.asarray(rgb, dtype=np.uint8)


def place(rows: Any, columns: Any) -> tuple[Any, Any]:
    """Corners of tiles, whole level-0 px as a tile table has them."""
    return np.floor(3 + columns * SIDE).astype(int), np.floor(3 + rows * SIDE).astype(int)


def make_values(classes: tuple[str, ...], tissue: Any) -> NDArray[np.float32]:
    rng = np.random.default_rng(0)
    logits = np.stack([smooth_noise(rng, tissue.shape, 2.5) * 14 for _ in classes])
    values = np.exp(logits) / np.exp(logits).sum(axis=0)
    return np.where(tissue > 0.45, values, np.nan).astype(np.float32)


def make_scene(classes: tuple[str, ...] = CLASSES, **changes: Any) -> tuple[Scene, Any]:
    """A scene of about 3,400 tiles, and the picture below it."""
    shape = int(HEIGHT // SIDE), int(WIDTH // SIDE)
    tissue = smooth_noise(np.random.default_rng(2), shape, 6)
    values = make_values(classes, tissue)
    used = np.nonzero(tissue > 0.45)
    waste = np.nonzero((tissue > 0.42) & (tissue <= 0.45))
    mask = io.BytesIO()
    Image.fromarray(((tissue > 0.45) * 255).astype(np.uint8)).resize((800, 551)).save(mask, "PNG")
    hole = box(6000, 4000, 7000, 5000).exterior
    bed = Polygon(box(5000, 3000, 9000, 6000).exterior, [hole])
    scene = Scene(
        width=WIDTH,
        height=HEIGHT,
        mpp=MPP,
        shown=classes[-1],
        threshold=0.5,
        opacity=0.6,
        colormap="inferno",
        found=ProbabilityMap(values, classes, 3.0, 3.0, SIDE, SIDE),
        side=SIDE,
        places=place(*used),
        probabilities=values[:, used[0], used[1]].T,
        rejected={"pen": place(*(axis[::2] for axis in waste)), "fold": place(*waste)},
        marked={"blur": place(*(axis[::9] for axis in used))},
        outlines=[
            Outline("bed", classes[-1], bed),
            Outline(NASTY, None, Polygon([(11000, 2000), (14000, 2600), (12500, 5200)])),
        ],
        mask=mask.getvalue(),
    )
    return replace(scene, **changes), paint_slide(tissue)


@pytest.fixture
def make_page(tmp_path: Path, make_slide: Callable[..., SlideFacts]) -> Make:
    """Writes the page of a scene."""

    def make(scene: Scene, picture: Any, slide_id: str = "slide_1", **changes: Any) -> Path:
        facts = make_slide(
            slide_id,
            scene=scene,
            picture=picture,
            shown_class=scene.shown,
            threshold=scene.threshold,
            top_tiles=gallery(scene),
            regions=find_regions(scene.found, scene.shown, scene.threshold, scene.mpp),
            **changes,
        )
        mpp = {**facts.inspection, "mpp": scene.mpp}
        path = tmp_path / "page.html"
        path.write_text(render_slide_page(replace(facts, inspection=mpp)), encoding="utf-8")
        return path

    return make


def gallery(scene: Scene) -> list[TopTile]:
    """The four most probable tiles, each with a grey of its own."""
    p, (x, y) = scene.probabilities[:, -1], scene.places
    return [
        TopTile(np.full((224, 224, 3), 40 * k, np.uint8), float(p[i]), int(x[i]), int(y[i]))
        for k, i in enumerate(np.argsort(-p)[:4])
    ]


@pytest.fixture
def show(browser: Any) -> Iterator[Callable[..., Any]]:
    """Opens a page at some width and waits until the slide is drawn; nothing may be logged."""
    from selenium.webdriver.support.ui import WebDriverWait

    def open_page(page: Path, width_px: int = 1280) -> Any:
        is_phone = width_px < 500
        size = {"width": width_px, "height": 900, "deviceScaleFactor": 1, "mobile": is_phone}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": is_phone})
        browser.get(page.as_uri())
        drawn = "return performance.getEntriesByName('slide drawn').length > 0"
        WebDriverWait(browser, 20).until(lambda b: b.execute_script(drawn))
        return browser

    yield open_page
    assert browser.get_log("browser") == []
    asked = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = [m["params"]["request"]["url"] for m in asked if m["method"] == REQUEST]
    assert {url.partition(":")[0] for url in urls} <= {"file", "data"}


def settle(browser: Any) -> None:
    """Waits until the view stands still and is drawn."""
    browser.execute_async_script("""
        const done = arguments[0], viewer = histotile.viewer;
        const wait = () => requestAnimationFrame(() => requestAnimationFrame(() => {
          const still = viewer.viewport.getBounds(true).equals(viewer.viewport.getBounds());
          still && !histotile.overlay.isAsked ? done() : wait();
        }));
        wait();""")


def overlay(browser: Any) -> NDArray[np.uint8]:
    """What is drawn over the slide, (h, w, 4)."""
    settle(browser)
    uri = browser.execute_script("return histotile.overlay.canvas.toDataURL()")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


def set_slider(browser: Any, name: str, value: float) -> None:
    browser.execute_script(
        "const s = document.getElementById(arguments[0]); s.value = arguments[1];"
        "s.dispatchEvent(new Event('input', {bubbles: true}));",
        name,
        value,
    )


def look_at(browser: Any, x: float, y: float, width: float, height: float) -> None:
    browser.execute_script(
        "const v = histotile.viewer.viewport;"
        "v.fitBounds(v.imageToViewportRectangle(...arguments), true);"
        "histotile.overlay.drawNow()",
        *(x, y, width, height),
    )
    settle(browser)


def page_px(browser: Any, x: float, y: float) -> NDArray[np.floating[Any]]:
    """Where OpenSeadragon itself puts a level-0 px, in px of the viewer."""
    return np.array(
        browser.execute_script(
            "const v = histotile.viewer.viewport, p = v.pixelFromPoint("
            "v.imageToViewportCoordinates(arguments[0], arguments[1]), true); return [p.x, p.y]",
            *(x, y),
        )
    )


def point_at(browser: Any, x: float, y: float, click: bool = False) -> None:
    """Moves the mouse over a level-0 px, and may click."""
    from selenium.webdriver import ActionChains

    picture = browser.find_element("css selector", ".picture")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", picture)
    px = page_px(browser, x, y) - np.array([picture.size["width"], picture.size["height"]]) / 2
    chain = ActionChains(browser)
    for shift in (3, 0):
        chain.move_to_element_with_offset(picture, int(px[0]) + shift, int(px[1]))
    (chain.click() if click else chain).perform()
    settle(browser)


def text(browser: Any, part: str) -> str:
    return str(browser.find_element("css selector", f"[data-part={part}]").text)


def cells(browser: Any) -> list[list[str]]:
    """The table of regions as texts."""
    return list(
        browser.execute_script(
            "return [...document.querySelector('[data-part=regions]').tBodies[0].rows]"
            ".map(r => [...r.cells].map(c => c.textContent))"
        )
    )


@pytest.mark.parametrize("width_px", [390, 820, 1280, 1920])
def test_viewer_fits_the_screen(show: Any, make_page: Make, width_px: int) -> None:
    browser = show(make_page(*make_scene(), slide_id="W" * 120), width_px)
    wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert browser.execute_script(f"return {wide}") <= 0
    stage = browser.find_element("css selector", ".picture").rect
    controls = browser.find_element("css selector", ".controls").rect
    assert stage["height"] >= 250
    if width_px >= 1280:
        assert controls["x"] >= stage["x"] + stage["width"]
    else:
        assert controls["y"] >= stage["y"] + stage["height"]
    assert not browser.find_element("css selector", ".still").is_displayed()


def test_whole_slide_stays_whole_when_the_window_changes(show: Any, make_page: Make) -> None:
    browser = show(make_page(*make_scene()))
    whole = "const v = histotile.viewer.viewport; return v.getZoom() / v.getHomeZoom()"
    navigator = browser.find_element("css selector", ".navigator")
    size = {"width": 700, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.execute_async_script("setTimeout(arguments[0], 500)")
    assert browser.execute_script(whole) == pytest.approx(1)
    assert not navigator.is_displayed()
    browser.find_element("css selector", "[aria-label='Zoom in']").click()
    settle(browser)
    assert browser.execute_script(whole) == pytest.approx(1.6)
    assert navigator.is_displayed()


def test_layers_switch(show: Any, make_page: Make) -> None:
    browser = show(make_page(*make_scene()))
    boxes = browser.find_elements("css selector", ".controls [data-layer]")
    names = [b.get_attribute("data-layer") for b in boxes]
    assert names == ["heat", "contour", "mask", "outlines", "group-0", "group-1", "group-2"]
    for checkbox in boxes:
        before = overlay(browser)
        checkbox.click()
        if checkbox.get_attribute("data-layer") == "mask":
            browser.execute_async_script(
                "const done = arguments[0], wait = () => histotile.layers.veil ? done()"
                " : setTimeout(wait, 20); wait()"
            )
        assert (before != overlay(browser)).any(axis=2).mean() > 0.002, checkbox.accessible_name
        checkbox.click()
        np.testing.assert_array_equal(before, overlay(browser))
    labels = [b.accessible_name for b in boxes]
    assert labels[4].startswith("pen ink (") and labels[6].startswith("blurred (")


def test_threshold_tells_what_the_data_give(show: Any, make_page: Make) -> None:
    scene, picture = make_scene()
    browser = show(make_page(scene, picture))
    for name in ("tumour", "healthy"):
        layer = scene.found.layer(name)
        browser.find_element("xpath", f"//label[normalize-space()='{name}']").click()
        for threshold in (0.0, 0.07, 0.33, 0.5, 0.81, 1.0):
            set_slider(browser, "threshold", threshold)
            high = layer >= np.float32(threshold)
            mm2 = high.sum() * (SIDE * MPP / 1000) ** 2
            count = ndimage.label(high)[1]
            share = 100 * high.sum() / np.isfinite(layer).sum()
            told = re.fullmatch(AREA, text(browser, "area").replace(",", ""))
            assert told and told[1] == f"{threshold:.2f}"
            assert float(told[2]) == pytest.approx(mm2, abs=0.0051)
            assert int(told[3]) == count
            assert float(told[4]) == pytest.approx(share, abs=0.051)
            found = find_regions(scene.found, name, threshold, MPP)
            assert cells(browser) == [list(row) for row in table_of(found)]
            assert text(browser, "rest").startswith(f"and {count - 50} smaller") == (count > 50)


def table_of(regions: Any) -> Iterator[tuple[str, ...]]:
    for n, r in enumerate(regions[:50], 1):
        area = f"{r.area_mm2:.2f}" if r.area_mm2 >= 1 else f"{r.area_mm2:.4f}"
        p = f"{r.max_probability:.3f}", f"{r.mean_probability:.3f}"
        yield str(n), area, *p, f"{round(r.peak[0]):,}, {round(r.peak[1]):,}"


def test_the_server_wrote_the_same_table(show: Any, make_page: Make, read: Any) -> None:
    values = np.full((1, 9, 200), np.nan, np.float32)
    values[0, ::2, ::2] = np.arange(500).reshape(5, 100) / 512  # many exact halves
    found = ProbabilityMap(values, ("only",), 0.5, -1.25, 100.0, 100.0)
    scene, picture = make_scene(("only",), found=found, threshold=0.0625)
    page = make_page(scene, picture)
    browser = show(page)
    written = cells(browser)
    assert len(written) == 50
    script = "document.querySelector('[data-part=regions]').tBodies[0].replaceChildren();"
    browser.execute_script(script + "histotile.change({})")
    assert cells(browser) == written
    still = page.read_text(encoding="utf-8")
    body = still.partition('<table data-part="regions"')[2].partition("</tbody>")[0]
    for row in written:
        assert f'<th scope="row">{row[0]}</th>' in body
        assert f'<td class="number">{row[-1]}</td></tr>' in body
    assert "p ≥ 0.0625:" in text(browser, "area")


def test_region_button_flies_there_and_flashes(show: Any, make_page: Make) -> None:
    scene, picture = make_scene()
    browser = show(make_page(scene, picture))
    regions = find_regions(scene.found, "tumour", 0.5, MPP)
    for number in (1, 5, len(regions)):
        settle(browser)
        button = browser.find_element("css selector", f"tr:nth-child({number}) .fly")
        assert button.accessible_name == f"Show region {number}"
        button.click()
        assert browser.execute_script("return histotile.state.flashing !== null")
        settle(browser)
        left, top, right, bottom = regions[number - 1].polygon.bounds
        middle = browser.execute_script(
            "const v = histotile.viewer.viewport, c = v.viewportToImageCoordinates(v.getCenter());"
            "return [c.x, c.y]"
        )
        np.testing.assert_allclose(middle, [(left + right) / 2, (top + bottom) / 2], atol=1)
        view = browser.execute_script(
            "const v = histotile.viewer.viewport, b = v.viewportToImageRectangle(v.getBounds());"
            "return [b.x, b.y, b.x + b.width, b.y + b.height]"
        )
        assert view[0] < left and view[1] < top and view[2] > right and view[3] > bottom


def test_contour_falls_on_its_level_0_px(show: Any, make_page: Make) -> None:
    values = np.full((2, 40, 60), 0.1, np.float32)
    values[1, 12:20, 30:47] = 0.9
    found = ProbabilityMap(values, ("healthy", "tumour"), 101.5, -40.25, SIDE, SIDE)
    browser = show(make_page(*make_scene(("healthy", "tumour"), found=found, outlines=[])))
    browser.find_element("css selector", "[data-layer=heat]").click()
    region = find_regions(found, "tumour", 0.5, MPP)[0].polygon.bounds
    for corner in (region[:2], region[2:]):
        x, y = corner
        look_at(browser, x - 12, y - 9, 24, 18)  # many px of the screen for one of level 0
        drawn = overlay(browser)
        white = np.argwhere((drawn[..., :3] == 255).all(axis=2) & (drawn[..., 3] == 255))
        per_px = page_px(browser, x + 1, y)[0] - page_px(browser, x, y)[0]
        assert per_px > 4
        ends = white[:, ::-1].min(axis=0), white[:, ::-1].max(axis=0) + 1
        line = np.where(np.array(corner) == region[:2], *ends)  # the lines' outer ends
        np.testing.assert_allclose(line, page_px(browser, x, y), atol=per_px)


def test_heat_shows_each_cell_in_its_colour(show: Any, make_page: Make) -> None:
    from matplotlib import colormaps

    scene, picture = make_scene()
    browser = show(make_page(scene, picture))
    for name in ("contour", "outlines"):
        browser.find_element("css selector", f"[data-layer={name}]").click()
    set_slider(browser, "opacity", 1)
    drawn = overlay(browser)
    layer = scene.found.layer("tumour")
    for row, column in np.argwhere(layer > 0.3)[::97]:
        at = page_px(browser, 3 + (column + 0.5) * SIDE, 3 + (row + 0.5) * SIDE)
        r, g, b, alpha = drawn[int(at[1]), int(at[0])].astype(int)
        p = layer[row, column]
        assert abs(alpha - 255 * p) <= 1.5
        rgb = 255 * np.array(colormaps["inferno"](float(p)))[:3]
        np.testing.assert_allclose([r, g, b], rgb, atol=7)
    set_slider(browser, "opacity", 0.5)
    halved = np.abs(overlay(browser)[..., 3] - drawn[..., 3] / 2.0) <= 1.5
    assert halved.mean() > 0.999  # but for px whose centre lies on the edge of two cells
    browser.find_element("css selector", "[data-part=smooth]").click()
    assert (overlay(browser) != drawn).any()


def test_hover_tells_the_tile_and_click_shows_it(show: Any, make_page: Make) -> None:
    scene, picture = make_scene()
    browser = show(make_page(scene, picture))
    x, y = scene.places
    for i in (11, 1234):
        point_at(browser, x[i] + SIDE / 2, y[i] + SIDE / 2)
        p = [f"{value:.3f}" for value in scene.probabilities[i]]
        shown = text(browser, "tip").split()
        assert shown[:4] == ["x", f"{x[i]:,}", "y", f"{y[i]:,}"]
        assert shown[4:10] == [word for pair in zip(CLASSES, p, strict=True) for word in pair]
    point_at(browser, *(scene.rejected["pen"][axis][0] + SIDE / 2 for axis in (0, 1)))
    assert "pen ink" in text(browser, "tip")
    point_at(browser, x[11] + SIDE / 2, y[11] + SIDE / 2, click=True)
    assert "most uncertain tiles only" in text(browser, "panel")
    best = gallery(scene)[1]
    point_at(browser, best.x + SIDE / 2, best.y + SIDE / 2, click=True)
    image = browser.find_element("css selector", "[data-part=panel] img")
    assert image.get_property("naturalWidth") == 224
    tiles = browser.find_elements("css selector", "button.tile img")
    assert image.get_attribute("src") == tiles[1].get_attribute("src")
    browser.find_element("css selector", "[data-part=panel] button").click()
    assert not browser.find_element("css selector", "[data-part=panel]").is_displayed()


def test_gallery_tile_is_shown_in_its_place(show: Any, make_page: Make) -> None:
    scene, picture = make_scene()
    browser = show(make_page(scene, picture))
    tile = gallery(scene)[3]
    browser.find_elements("css selector", "button.tile")[3].click()
    settle(browser)
    middle = browser.execute_script(
        "const v = histotile.viewer.viewport, c = v.viewportToImageCoordinates(v.getCenter());"
        "return [c.x, c.y]"
    )
    np.testing.assert_allclose(middle, [tile.x + SIDE / 2, tile.y + SIDE / 2], atol=1)
    assert f"{tile.x:,}" in text(browser, "panel")


def test_keyboard_alone_is_enough(show: Any, make_page: Make) -> None:
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.keys import Keys

    browser = show(make_page(*make_scene()))

    def active() -> Any:
        return browser.switch_to.active_element

    for _ in range(12):
        ActionChains(browser).send_keys(Keys.TAB).perform()
        if active().get_attribute("role") == "application":
            break
    assert "Arrow keys" in active().accessible_name
    start = browser.execute_script("return histotile.viewer.viewport.getZoom()")
    ActionChains(browser).send_keys("+++").perform()
    settle(browser)
    assert browser.execute_script("return histotile.viewer.viewport.getZoom()") > start
    assert browser.find_element("css selector", ".cross").is_displayed()
    centre = "const c = histotile.viewer.viewport.getCenter(); return [c.x, c.y]"
    before = browser.execute_script(centre)
    held = ActionChains(browser).key_down(Keys.ARROW_LEFT).pause(0.2).key_up(Keys.ARROW_LEFT)
    held.send_keys("r", "f").perform()
    settle(browser)
    assert browser.execute_script(centre)[0] < before[0]
    assert browser.execute_script("return histotile.viewer.viewport.getFlip()") is False
    assert browser.execute_script("return histotile.viewer.viewport.getRotation()") == 0
    ActionChains(browser).send_keys("0").perform()
    settle(browser)
    assert browser.execute_script("return histotile.viewer.viewport.getZoom()") == start
    names = [
        b.accessible_name
        for b in browser.find_elements("css selector", ".viewer button, .viewer input")
        if b.is_displayed()
    ]
    assert {"Zoom in", "Zoom out", "Whole slide", "Threshold", "Opacity"} <= set(names)
    assert all(names)
    slider = browser.find_element("id", "threshold")
    slider.send_keys(Keys.ARROW_RIGHT)
    assert "p ≥ 0.51:" in text(browser, "area")


def test_wheel_belongs_to_the_page_while_the_page_is_scrolled(show: Any, make_page: Make) -> None:
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.actions.wheel_input import ScrollOrigin

    browser = show(make_page(*make_scene()))
    picture = browser.find_element("css selector", ".picture")
    state = "return [scrollY, histotile.viewer.viewport.getZoom()]"

    def wheel() -> tuple[float, float]:
        ActionChains(browser).scroll_from_origin(ScrollOrigin(picture, 0, 0), 0, 120).perform()
        browser.execute_async_script("setTimeout(arguments[0], 400)")
        scrolled, zoom = browser.execute_script(state)
        return scrolled, zoom

    browser.execute_script("scrollTo(0, 60)")
    before = browser.execute_script(state)
    scrolled, zoom = wheel()
    assert scrolled > before[0] and zoom == before[1]
    ActionChains(browser).move_to_element(picture).move_by_offset(5, 5).perform()
    browser.execute_async_script("setTimeout(arguments[0], 200)")
    ActionChains(browser).move_by_offset(5, 5).perform()
    before = browser.execute_script(state)
    scrolled, zoom = wheel()
    assert scrolled == before[0] and zoom < before[1]


def touch(browser: Any, kind: str, *places: tuple[float, float]) -> None:
    points = [{"x": x, "y": y, "id": k} for k, (x, y) in enumerate(places)]
    browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


def test_one_finger_scrolls_the_page_and_two_move_the_slide(show: Any, make_page: Make) -> None:
    browser = show(make_page(*make_scene()), 390)
    browser.execute_script("histotile.viewer.viewport.zoomTo(4, null, true)")
    state = "return [scrollY, histotile.viewer.viewport.getCenter().y]"
    for fingers in (1, 2):
        browser.execute_script("scrollTo(0, 0)")
        left, top = browser.execute_script(
            "const r = document.querySelector('.picture').getBoundingClientRect();return [r.x, r.y]"
        )
        before = browser.execute_script(state)
        starts = [(left + 100 + 90 * k, top + 170) for k in range(fingers)]
        touch(browser, "touchStart", *starts)
        for step in range(12):
            touch(browser, "touchMove", *((x, y - 12 * step) for x, y in starts))
            browser.execute_async_script("setTimeout(arguments[0], 30)")
        touch(browser, "touchEnd")
        browser.execute_async_script("setTimeout(arguments[0], 500)")
        after = browser.execute_script(state)
        assert (after[0] > before[0]) == (fingers == 1)
        assert (after[1] > before[1]) == (fingers == 2)


def test_a_tap_tells_the_tile(show: Any, make_page: Make) -> None:
    scene, picture = make_scene()
    browser = show(make_page(scene, picture), 390)
    i = 700
    browser.execute_script("document.querySelector('.picture').scrollIntoView({block: 'center'})")
    box = browser.execute_script(
        "const r = document.querySelector('.picture').getBoundingClientRect(); return [r.x, r.y]"
    )
    at = page_px(browser, scene.places[0][i] + SIDE / 2, scene.places[1][i] + SIDE / 2) + box
    touch(browser, "touchStart", (float(at[0]), float(at[1])))
    touch(browser, "touchEnd")
    settle(browser)
    browser.execute_async_script("setTimeout(arguments[0], 300)")
    panel = browser.find_element("css selector", "[data-part=panel]")
    assert f"{scene.probabilities[i][0]:.3f}" in panel.text
    stage = browser.find_element("css selector", ".stage").rect
    assert panel.rect["y"] >= stage["y"] + stage["height"]
    assert not browser.find_element("css selector", ".cross").is_displayed()


EMPTY = np.full((3, 20, 30), np.nan, np.float32)
NOWHERE = (np.array([], int), np.array([], int))


@pytest.mark.parametrize(
    ("classes", "changes", "words"),
    [
        (CLASSES, {"mpp": None}, " px in "),
        (("only",), {}, "100.0 % of analysed tissue"),
        (CLASSES, {"mask": None, "outlines": [], "rejected": {}, "marked": {}}, "analysed tissue"),
        (
            CLASSES,
            {
                "found": ProbabilityMap(EMPTY, CLASSES, 0.0, 0.0, 600.0, 600.0),
                "places": NOWHERE,
                "probabilities": np.empty((0, 3)),
                "marked": {},
            },
            "0.0000 mm² in 0 regions, no tissue was analysed",
        ),
    ],
    ids=["no mpp", "one class", "bare", "no tiles"],
)
def test_odd_slides_are_shown_too(
    show: Any, make_page: Make, classes: Any, changes: Any, words: str
) -> None:
    scene, picture = make_scene(classes, **changes)
    browser = show(make_page(scene, picture))
    assert words in text(browser, "area")
    assert browser.find_element("css selector", ".scalebar").is_displayed() == bool(scene.mpp)
    assert len(cells(browser)) == min(50, len(find_regions(scene.found, None, 0.5, scene.mpp)))
    settle(browser)


def test_tiles_apart_are_regions_of_their_own(show: Any, make_page: Make) -> None:
    values = np.random.default_rng(5).random((1, 8, 8)).astype(np.float32)
    found = ProbabilityMap(values, ("only",), 0.0, 0.0, 1500.0, 1000.0)
    browser = show(make_page(*make_scene(("only",), found=found)))
    assert f"in {(values >= 0.5).sum()} regions" in text(browser, "area")
    browser.find_element("css selector", "[data-layer=contour]").click()
    browser.find_element("css selector", "[data-layer=outlines]").click()
    drawn = overlay(browser)
    for x, is_clear in ((500, False), (1250, True)):
        at = page_px(browser, x, 500)
        assert (drawn[int(at[1]), int(at[0]), 3] == 0) == is_clear


def test_texts_from_outside_stay_text(show: Any, make_page: Make) -> None:
    classes = ("שקופית 😐", NASTY)
    scene, picture = make_scene(classes, rejected={NASTY: (np.array([3]), np.array([3]))})
    browser = show(make_page(scene, picture, slide_id=NASTY))
    point_at(browser, scene.places[0][50] + SIDE / 2, scene.places[1][50] + SIDE / 2, click=True)
    for selector in (".controls", "[data-part=panel]"):
        assert NASTY in browser.find_element("css selector", selector).text.replace("\n", " ")
    assert browser.title != "ran"
    assert "<script>" in browser.find_element("css selector", "h1").text


def test_paper_gets_the_still_picture(show: Any, make_page: Make) -> None:
    browser = show(make_page(*make_scene()))
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert browser.find_element("css selector", ".still img").is_displayed()
    assert not browser.find_element("css selector", ".viewer").is_displayed()


def test_picture_in_a_folder_beside_the_page(show: Any, make_page: Make, tmp_path: Path) -> None:
    scene, picture = make_scene()
    height, width = picture.shape[:2]

    def read(x: int, y: int, columns: int, rows: int) -> NDArray[np.uint8]:
        return np.asarray(picture[y : y + rows, x : x + columns])

    name = "a b%#שקופית_files"
    pyramid = write_pyramid(tmp_path / name, read, width, height)
    browser = show(make_page(scene, pyramid))
    browser.find_element("css selector", "[data-layer=heat]").click()
    painted = browser.execute_script("return histotile.viewer.world.getItemAt(0).getFullyLoaded()")
    assert painted
