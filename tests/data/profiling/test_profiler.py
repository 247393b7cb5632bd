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

from histotile.data.profiling.profiler import (
    Pace,
    peak_memory_mb,
)


class Clock:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.now = 17.0

    def __call__(self) -> float:
        return self.now


def pace_of(start: float, waiting: float, computing: float, other: float, tiles: int = 10) -> Pace:
    clock = Clock()
    pace = Pace(2, clock)
    clock.now += start
    with pace.waiting():
        clock.now += waiting
    with pace.computing():
        clock.now += computing
    clock.now += other
    pace.turn("other")
    pace.tiles = tiles
    return pace


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["waiting", "computing", "other"]), st.integers(0, 9))))
def test_seconds_are_parted_without_remainder(turns: list[tuple[Any, int]]) -> None:
    clock = Clock()
    pace = Pace(1, clock)
    clock.now += 3
    for doing, seconds in turns:
        pace.turn(doing)
        clock.now += seconds
    pace.turn("other")
    assert pace.start_s == 3
    assert pace.seconds == pytest.approx(sum(s for _, s in turns))
    for doing, found in (("waiting", pace.waiting_s), ("computing", pace.computing_s)):
        assert found == pytest.approx(sum(s for d, s in turns if d == doing))
    facts = pace.facts()
    shares = sum(facts[f"{name}_share"] for name in ("waiting", "computing", "other"))
    assert shares == pytest.approx(1 if pace.seconds else 0, abs=2e-4)


@pytest.mark.parametrize(
    ("pace", "busy", "reading", "decoding", "bottleneck"),
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
    pace: Pace, busy: float, reading: float, decoding: float, bottleneck: str
) -> None:
    pace.busy_s, pace.reading_s, pace.decoding_s = busy, reading, decoding
    assert pace.bottleneck == bottleneck
    assert pace.facts()["bottleneck"] == bottleneck
    assert pace.line().endswith(f"bottleneck: {bottleneck}")


def test_line_and_facts() -> None:
    pace = pace_of(0.5, 0.5, 9.3, 0.2, tiles=2345)
    pace.reader, pace.decoding_s, pace.reading_s, pace.busy_s = "direct", 14.2, 0.4, 15.0
    assert pace.line().startswith(
        "2,345 tiles, 234 tiles/s: computing 93 %, waiting for pixels 5 % "
        "(readers: decoding 71 %, disk 2 %); direct reader; peak "
    )
    pace.reader, pace.reader_note = "openslide", "MIRAX"
    assert "; openslide reader (MIRAX); peak" in pace.line()
    facts = json.loads(json.dumps(pace.facts(), allow_nan=False))
    assert facts["tiles_per_s"] == 234.5
    assert (facts["start_s"], facts["seconds"], facts["readers"]) == (0.5, 10.0, 2)
    assert (facts["decoding_share"], facts["reading_share"]) == (0.71, 0.02)


def test_no_tiles_and_no_time() -> None:
    pace = Pace()
    assert pace.line().startswith("no tiles; peak ")
    facts = json.loads(json.dumps(pace.facts(), allow_nan=False))
    assert facts["tiles_per_s"] == facts["computing_share"] == facts["decoding_share"] == 0


def test_a_block_that_fails_is_counted_too() -> None:
    clock = Clock()
    pace = Pace(1, clock)
    with pytest.raises(ValueError, match="no"), pace.computing():
        clock.now += 2
        raise ValueError("no")
    assert pace.computing_s == 2


def test_start_can_be_added_to() -> None:
    pace = pace_of(1, 2, 3, 0)
    pace.start_s += 4
    assert (pace.start_s, pace.seconds) == (5, 5)


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
