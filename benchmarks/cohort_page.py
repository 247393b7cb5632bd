"""What a cohort page of 2,000 slides costs: to write, to open in Chromium, to sort and to filter.

Writes benchmarks/cohort_page.csv: medians of five openings, each in a fresh tab and from disk.
"open" ends with the load event; "sort" and "filter" end with the frame that shows the new order.
Held against 3 s for opening.

    python benchmarks/cohort_page.py
"""

import csv
import io
import platform
import shutil
import statistics
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from histotile.reports.cohort.page import render_cohort_page
from histotile.reports.facts import THUMBNAIL_PX, CohortFacts, SlideSummary
from histotile.reports.images import thumbnail

REPOSITORY = Path(__file__).parents[1]
SLIDES, RUNS = 2000, 5
ACTS = {
    "sort by score, first time": "document.querySelector('th[data-key=score] button').click()",
    "sort by slide": "document.querySelector('th[data-key=slide] button').click()",
    "filter by a word": "f.words.value = 'south'; f.dispatchEvent(new Event('input'))",
    "show all again": "f.all.click()",
}


def make_picture(rng: np.random.Generator) -> bytes:
    """A thumbnail that costs as many bytes as one of a stained slide: smooth spots on white."""
    coarse = rng.normal(0, 1, (27, 27, 3)).astype(np.float32)
    channels = [Image.fromarray(coarse[..., c]).resize((400, 400)) for c in range(3)]
    texture = np.stack([np.asarray(channel) for channel in channels], axis=-1)
    y, x = np.mgrid[-1:1:400j, -1:1:400j]
    tissue = (x**2 + y**2 < 0.7)[..., None]
    rgb = np.where(tissue, np.array([205, 150, 190]) + 30 * texture, 244)
    buffer = io.BytesIO()
    Image.fromarray(rgb.clip(0, 255).astype(np.uint8)).save(buffer, "PNG")
    return thumbnail(buffer.getvalue(), THUMBNAIL_PX)


def make_facts(count: int) -> CohortFacts:
    """A cohort of two classes, three sites and five folds; one slide in fifty is quarantined."""
    rng = np.random.default_rng(0)
    slides = []
    for k in range(count):
        is_bad, label = k % 50 == 7, ("healthy", "tumour")[k // 2 % 2]
        score = float(np.clip(rng.normal(0.3 + 0.4 * (label == "tumour"), 0.15), 0, 1))
        used = int(rng.integers(200, 9000))
        counts = {"grid": 2 * used, "no_tissue": used, "tiles": used, "excluded": {"pen": 12}}
        slides.append(
            SlideSummary(
                slide_id=f"TCGA-{k:04}-01Z-00-DX1",
                verdict="quarantined" if is_bad else "ok",
                problem="unreadable" if is_bad else None,
                reason="incomplete bitstream at level 0" if is_bad else None,
                patient_id=f"patient_{k // 2:04}",
                site=("north", "south", "east")[k % 3],
                label=label,
                score=None if is_bad else score,
                pred=None if is_bad else ("healthy", "tumour")[score > 0.5],
                mpp=0.2521,
                mpp_source="property openslide.mpp-x",
                counts={} if is_bad else counts,
                thumbnail=None if is_bad else make_picture(rng),
                fold=None if is_bad else str(k % 5),
            )
        )
    return CohortFacts("Benchmark", slides, "tumour", has_patients=True)


def open_browser(profile: str) -> Any:
    """A headless Chromium of 1280 x 900 px."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={profile}")
    options.add_argument("--window-size=1280,900")
    return webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))


def measure(browser: Any, page: Path) -> dict[str, float]:
    """Seconds of one opening and of what a reader does first."""
    browser.switch_to.new_window("tab")
    browser.get(page.as_uri())
    timing = "const t = performance.getEntriesByType('navigation')[0]; return t.loadEventEnd / 1000"
    found = {"open": float(browser.execute_script(timing))}
    for name, act in ACTS.items():
        code = f"""
            const done = arguments[0], f = document.getElementById("slides-filter");
            const start = performance.now();
            {act};
            document.body.offsetHeight;
            requestAnimationFrame(() => setTimeout(() => done((performance.now() - start) / 1000)));
        """
        found[name] = float(browser.execute_async_script(code))
    browser.close()
    browser.switch_to.window(browser.window_handles[0])
    return found


def main() -> None:
    """Measure, print and write the table."""
    facts = make_facts(SLIDES)
    sizes = [len(slide.thumbnail) for slide in facts.slides if slide.thumbnail]
    start = time.perf_counter()
    html = render_cohort_page(facts)
    rows = [("write the page", time.perf_counter() - start, "s")]
    with tempfile.TemporaryDirectory() as name:
        page = Path(name) / "index.html"
        page.write_text(html, encoding="utf-8")
        browser = open_browser(f"{name}/profile")
        runs = [measure(browser, page) for _ in range(RUNS)]
        browser.quit()
    rows += [(what, statistics.median(run[what] for run in runs), "s") for what in runs[0]]
    rows.append(("size of the page", len(html.encode()) / 1e6, "MB"))
    rows.append(("size of a thumbnail", statistics.median(sizes) / 1000, "kB"))
    machine = f"{platform.machine()}, Chromium, headless"
    with (REPOSITORY / "benchmarks/cohort_page.csv").open("w", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(("what", "slides", "value", "unit", "date", "machine"))
        for what, value, unit in rows:
            print(f"{what:28} {value:8.3f} {unit}")
            writer.writerow((what, SLIDES, f"{value:.3f}", unit, date.today(), machine))


if __name__ == "__main__":
    main()
