"""Where the time went: an exact partition, a bottleneck by a stated rule, one line."""

import json
import subprocess
import sys
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from histotile.data.profiling.profiler import Profiler, peak_memory_mb


class Clock:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.now = 17.0

    def __call__(self) -> float:
        return self.now


def pace_of(
    start: float, waiting: float, computing: float, other: float, tiles: int = 10
) -> Profiler:
    clock = Clock()
    profiler = Profiler(2, clock)
    clock.now += start
    with profiler.waiting():
        clock.now += waiting
    with profiler.computing():
        clock.now += computing
    clock.now += other
    profiler.turn("other")
    profiler.tiles = tiles
    return profiler


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["waiting", "computing", "other"]), st.integers(0, 9))))
def test_seconds_are_parted_without_remainder(turns: list[tuple[Any, int]]) -> None:
    clock = Clock()
    profiler = Profiler(1, clock)
    clock.now += 3
    for doing, seconds in turns:
        profiler.turn(doing)
        clock.now += seconds
    profiler.turn("other")
    assert profiler.start_s == 3
    assert profiler.seconds == pytest.approx(sum(s for _, s in turns))
    for doing, found in (("waiting", profiler.waiting_s), ("computing", profiler.computing_s)):
        assert found == pytest.approx(sum(s for d, s in turns if d == doing))
    facts = profiler.facts()
    shares = sum(facts[f"{name}_share"] for name in ("waiting", "computing", "other"))
    assert shares == pytest.approx(1 if profiler.seconds else 0, abs=2e-4)


@pytest.mark.parametrize(
    ("profiler", "busy", "reading", "decoding", "bottleneck"),
    [
        (pace_of(1, 1, 8, 0), 1, 0, 1, "network"),
        (pace_of(1, 1, 3, 4), 1, 0, 1, "other"),
        (pace_of(1, 8, 2, 0), 9, 1, 8, "decoding"),
        (pace_of(1, 8, 2, 0), 9, 8, 1, "disk"),
        (pace_of(1, 8, 2, 0), 9, 1, 2, "resampling"),
        (pace_of(11, 1, 8, 0), 1, 0, 1, "start"),
        (pace_of(0, 1, 8, 0, tiles=0), 1, 0, 1, "start"),
    ],
)
def test_bottleneck(
    profiler: Profiler, busy: float, reading: float, decoding: float, bottleneck: str
) -> None:
    profiler.busy_s, profiler.reading_s, profiler.decoding_s = busy, reading, decoding
    assert profiler.bottleneck == bottleneck
    assert profiler.facts()["bottleneck"] == bottleneck
    assert profiler.line().endswith(f"bottleneck: {bottleneck}")


def test_line_and_facts() -> None:
    profiler = pace_of(0.5, 0.5, 9.3, 0.2, tiles=2345)
    profiler.reader, profiler.decoding_s, profiler.reading_s, profiler.busy_s = (
        "direct",
        14.2,
        0.4,
        15.0,
    )
    assert profiler.line().startswith(
        "2,345 tiles, 234 tiles/s: computing 93 %, waiting for pixels 5 % "
        "(readers: decoding 71 %, disk 2 %); direct reader; peak "
    )
    profiler.reader, profiler.reader_note = "openslide", "MIRAX"
    assert "; openslide reader (MIRAX); peak" in profiler.line()
    facts = json.loads(json.dumps(profiler.facts(), allow_nan=False))
    assert facts["tiles_per_s"] == 234.5
    assert (facts["start_s"], facts["seconds"], facts["readers"]) == (0.5, 10.0, 2)
    assert (facts["decoding_share"], facts["reading_share"]) == (0.71, 0.02)


def test_no_tiles_and_no_time() -> None:
    profiler = Profiler()
    assert profiler.line().startswith("no tiles; peak ")
    facts = json.loads(json.dumps(profiler.facts(), allow_nan=False))
    assert facts["tiles_per_s"] == facts["computing_share"] == facts["decoding_share"] == 0


def test_a_block_that_fails_is_counted_too() -> None:
    clock = Clock()
    profiler = Profiler(1, clock)
    with pytest.raises(ValueError, match="no"), profiler.computing():
        clock.now += 2
        raise ValueError("no")
    assert profiler.computing_s == 2


def test_start_can_be_added_to() -> None:
    profiler = pace_of(1, 2, 3, 0)
    profiler.start_s += 4
    assert (profiler.start_s, profiler.seconds) == (5, 5)


def test_peak_memory_is_of_this_process_alone() -> None:
    held = np.ones(200_000_000, np.uint8)
    assert peak_memory_mb() > 200
    code = "from histotile.data.profiling.profiler import *; print(peak_memory_mb());"
    code += "held = bytes(b'1') * 200_000_000; del held; print(peak_memory_mb())"
    child = subprocess.check_output([sys.executable, "-c", code], text=True)
    before, after = map(float, child.split())
    assert 5 < before < 100
    assert 190 < after - before < 215
    assert held[-1] == 1


def test_age_of_the_process() -> None:
    module = "histotile.data.profiling.profiler"
    code = f"import time, {module} as p; time.sleep(0.5); print(p.process_age_s())"
    start = time.monotonic()
    age = float(subprocess.check_output([sys.executable, "-c", code], text=True))
    assert 0.5 <= age < time.monotonic() - start + 0.05  # it is counted in ticks of 10 ms
