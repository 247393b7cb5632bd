"""How the pages feel in Chromium: when they show, and whether they stutter.

The page of a made-up slide of 20,000 tiles with three classes, every layer and a picture of
4,096 px, opened from disk at 1280 x 900. Writes benchmarks/viewing.csv: the median and the worst of
the rounds, and the limit. Nothing but what a reader does: panning by mouse, turning the wheel,
moving the threshold. A task of the browser below 50 ms does not count as long, and is told as 0.

    python benchmarks/viewing.py
"""

import csv
import datetime
import os
import platform
import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rendering import BOUNDS, CLASSES, MPP, SLIDE, STEP, made_up_overview, made_up_tiles
from selenium import webdriver
from selenium.webdriver import ActionChains
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.actions.wheel_input import ScrollOrigin
from selenium.webdriver.support.ui import WebDriverWait
from shapely.geometry import Point

from histotile.heatmaps.probability_map import Layout, probability_map
from histotile.heatmaps.regions import find_regions
from histotile.reports.facts import SlideFacts
from histotile.reports.images import TopTile
from histotile.reports.slide.page import render_slide_page
from histotile.reports.slide.viewer_data import Outline, Scene
from histotile.tasks.registry import make_task

ROUNDS, PICTURE_PX = 5, 4096
Row = tuple[str, str, list[float], float]  # what, unit, one value per round, limit
WATCH = """
    window.longest = 0;
    const note = (task) => { window.longest = Math.max(window.longest, task.duration); };
    const observer = new PerformanceObserver((list) => list.getEntries().forEach(note));
    observer.observe({ type: "longtask" });"""
DRAW = """
    const app = histotile, times = [];
    for (let i = 0; i < 20; i += 1) {
      const start = performance.now();
      app.overlay.drawNow();
      app.overlay.context.getImageData(0, 0, 1, 1);  // waits until it is drawn
      times.push(performance.now() - start);
    }
    return times.sort((a, b) => a - b)[10];"""


def made_up_slide() -> SlideFacts:
    """All that the page of a slide of 20,000 tiles tells, with marks, outlines and pictures."""
    x, y, p = made_up_tiles()
    grain = np.random.default_rng(0).integers(80, 255, (224, 224, 3), dtype=np.uint8)
    scene = Scene(
        width=SLIDE[0],
        height=SLIDE[1],
        mpp=MPP,
        shown=CLASSES[1],
        threshold=0.5,
        opacity=0.5,
        colormap="viridis",
        found=probability_map(
            x,
            y,
            p,
            make_task(CLASSES),
            Layout(BOUNDS[0], BOUNDS[1], BOUNDS[2], BOUNDS[3], STEP, STEP),
        ),
        side=STEP,
        places=(x, y),
        probabilities=p,
        rejected={"pen": (x[::7] + int(STEP), y[::7]), "fold": (x[::9] - int(STEP), y[::9])},
        marked={"blur": (x[::2], y[::2])},
        outlines=[
            Outline(f"area {k}", CLASSES[k % 3], Point(x[k * 900], y[k * 900]).buffer(2500, 128))
            for k in range(20)
        ],
    )
    top = [TopTile(grain, float(p[k, 1]), int(x[k]), int(y[k])) for k in np.argsort(-p[:, 1])[:16]]
    return SlideFacts(
        inspection={"slide_id": "S001", "verdict": "ok", "mpp": MPP},
        shown_class=scene.shown,
        threshold=scene.threshold,
        top_tiles=top,
        regions=find_regions(scene.found, scene.shown, scene.threshold, MPP),
        scene=scene,
        picture=made_up_overview(PICTURE_PX)[0],
    )


@contextmanager
def chromium() -> Iterator[Any]:
    """A fresh headless Chromium of 1280 x 900 px."""
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    flags = "--headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run"
    for flag in (*flags.split(), "--disable-background-networking", "--window-size=1280,900"):
        options.add_argument(flag)
    browser = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    try:
        yield browser
    finally:
        browser.quit()


def view_slide(page: Path, is_full: bool) -> list[float]:
    """Of one round: s until the slide is drawn; ms to draw all layers; longest tasks (ms)."""
    with chromium() as browser:
        browser.get(page.as_uri())
        mark = "performance.getEntriesByName('slide drawn')[0]?.startTime"
        WebDriverWait(browser, 60, 0.1).until(lambda b: b.execute_script(f"return {mark}"))
        seconds = browser.execute_script(f"return {mark}") / 1000
        browser.execute_script(WATCH)
        if is_full:
            for box in browser.find_elements("css selector", ".controls [data-layer]"):
                if not box.is_selected():
                    box.click()
        drawing = browser.execute_script(DRAW)
        picture = browser.find_element("css selector", ".picture")
        longest = [during(browser, partial(act, browser, picture)) for act in (pan, slide)]
    return [seconds, drawing, *longest]


def during(browser: Any, act: Callable[[], None]) -> float:
    """The longest task (ms) while something is done."""
    browser.execute_script("window.longest = 0")
    act()
    browser.execute_async_script("setTimeout(arguments[0], 600)")
    return float(browser.execute_script("return window.longest"))


def pan(browser: Any, picture: Any) -> None:
    """Zooms in by the wheel and drags the slide to and fro, for about five seconds."""
    chain = ActionChains(browser, duration=60).move_to_element(picture)
    chain.move_by_offset(3, 3)
    for _ in range(3):
        chain.click_and_hold()
        for step in range(12):
            chain.move_by_offset(*((25, 12) if step < 6 else (-25, -12)))
        chain.release().pause(0.2).scroll_from_origin(ScrollOrigin(picture, 0, 0), 0, -120).pause(
            0.2
        )
    chain.perform()
    zoom = browser.execute_script(
        "const v = histotile.viewer.viewport;return v.getZoom() / v.getHomeZoom()"
    )
    if zoom < 1.2:
        raise SystemExit(f"the wheel did not zoom: {zoom:g}")


def slide(browser: Any, _: Any) -> None:
    """Moves the threshold over its whole range."""
    browser.execute_async_script("""
        const slider = document.getElementById("threshold"), done = arguments[0];
        let value = 0;
        const next = () => {
          slider.value = value += 0.02;
          slider.dispatchEvent(new Event("input"));
          value < 1 ? requestAnimationFrame(next) : done();
        };
        next();""")


def measure_slide_page(folder: Path) -> list[Row]:
    """The page of 20,000 tiles as a run writes it, then with every layer on."""
    page = folder / "page.html"
    page.write_text(render_slide_page(made_up_slide()), encoding="utf-8")
    megabytes = page.stat().st_size / 1e6
    rows: list[Row] = [("slide page, 20,000 tiles: size", "MB", [megabytes], 25)]
    parts = [("drawn", "s", 2.0), ("layers drawn once", "ms", 50.0)]
    parts += [(f"longest task, {act}", "ms", 200.0) for act in ("panning", "threshold")]
    for name, is_full in (("as it opens", False), ("every layer", True)):
        rounds = [view_slide(page, is_full) for _ in range(ROUNDS)]
        for (what, unit, limit), values in zip(parts, zip(*rounds, strict=True), strict=True):
            if not (is_full and unit == "s"):
                what = f"slide page, 20,000 tiles, {name}: {what}"
                rows.append((what, unit, list(values), limit))
    return rows


def main() -> None:
    """Measure, print and write the table."""
    with tempfile.TemporaryDirectory() as name:
        rows = measure_slide_page(Path(name))
    machine = f"{platform.machine()}, {os.cpu_count()} cores"
    with (Path(__file__).parent / "viewing.csv").open("w", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(("what", "median", "worst", "limit", "unit", "date", "machine"))
        for what, unit, values, limit in rows:
            middle, worst = statistics.median(values), max(values)
            print(f"{what:62} {middle:8.2f} {worst:8.2f} (limit {limit:g} {unit})")
            numbers = f"{middle:.2f}", f"{worst:.2f}", f"{limit:g}"
            writer.writerow((what, *numbers, unit, datetime.date.today(), machine))


if __name__ == "__main__":
    main()
