"""Speed of the slide factory against its targets, on one core; writes benchmarks/synthesis.csv."""

import csv
import datetime
import os
import platform
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from histotile.config.yaml_file import read_synthetic
from histotile.synthetic.slides.cohort import synthesize_cohort
from histotile.synthetic.slides.pyramid import write_pyramid
from histotile.synthetic.slides.sampler import TileSampler
from histotile.synthetic.slides.spec import Spec
from histotile.synthetic.slides.world import World

ROUNDS = 3
TILES = 500


def seconds(work: Callable[[], object]) -> float:
    """Processor time of the best of some rounds: other work on the machine only ever slows."""
    times = []
    for _ in range(ROUNDS):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def measure_rendering() -> list[tuple[str, float, str, str]]:
    world = World(Spec(4096, 4096, seed=3, scenario="A"))
    sampler = TileSampler(128, 0)
    world.region(0, 0, 64, 64)
    window = seconds(lambda: world.region(1024, 1024, 2048, 2048))
    tiles = seconds(lambda: [world.region(1024 + 3 * k, 1500, 128, 96) for k in range(TILES)])
    drawn = seconds(lambda: sampler.batch(0, TILES))
    return [
        ("window of 2048 x 2048 px, one core", 2048**2 / window / 1e6, "Mpx/s", ">= 10"),
        ("tiles of 96 x 128 px, one core", TILES / tiles, "tiles/s", ">= 1000"),
        ("sampler, tiles of 128 x 128 px, one core", TILES / drawn, "tiles/s", ""),
    ]


def measure_cohorts(folder: Path) -> list[tuple[str, float, str, str]]:
    standard = read_synthetic(Path("config/synthetic.yaml")).synthesize
    rows = []
    for slides, side, processes, limit in ((12, 2048, 1, 10), (24, 4096, 2, 45)):
        changes = {"slides": slides, "patients": slides // 2, "side_px": side}
        settings = standard.model_copy(update=changes)
        start = time.perf_counter()
        synthesize_cohort(folder / f"cohort{side}", settings, processes=processes)
        name = f"{slides} slides of {side} px, {processes} process(es)"
        rows.append((name, time.perf_counter() - start, "s", f"< {limit}"))
    return rows


def measure_sparse(folder: Path) -> list[tuple[str, float, str, str]]:
    world = World(Spec(100_000, 100_000, seed=1, scenario="A", tissue_fraction=0.004))
    start = time.perf_counter()
    write_pyramid(folder / "sparse.svs", world, "svs", 85)
    spent = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return [
        ("sparse slide of 100,000 px", spent, "s", "< 120"),
        ("peak memory after it", peak, "MB", "< 1500"),
        ("its file", (folder / "sparse.svs").stat().st_size / 1e6, "MB", ""),
    ]


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        rows = measure_rendering() + measure_sparse(Path(name)) + measure_cohorts(Path(name))
    with Path("benchmarks/synthesis.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("what", "value", "unit", "target", "load", "machine", "date"))
        for what, value, unit, target in rows:
            print(f"{what:45} {value:10.1f} {unit:8} {target}")
            machine = f"{platform.machine()} {os.cpu_count()} cores"
            load = f"{os.getloadavg()[0]:.1f}"
            day = datetime.date.today().isoformat()
            table.writerow((what, f"{value:.2f}", unit, target, load, machine, day))


if __name__ == "__main__":
    main()
