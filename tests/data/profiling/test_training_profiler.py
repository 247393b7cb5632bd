"""Where a training's time went, when its readers also change tiles."""

import pytest

from histotile.data.profiling.profiler import Profiler
from histotile.data.profiling.training_profiler import TrainingProfiler


@pytest.fixture
def profiler(monkeypatch: pytest.MonkeyPatch) -> TrainingProfiler:
    """Ten seconds, of which eight were spent waiting for two readers."""
    now = [0.0]
    found = TrainingProfiler(2, clock=lambda: now[0])
    for until, doing in ((0.0, "waiting"), (8.0, "computing"), (10.0, "other")):
        now[0] = until
        found.turn(doing)  # type: ignore[arg-type]
    found.tiles, found.busy_s, found.reading_s, found.decoding_s = 100, 16.0, 1.0, 5.0
    return found


@pytest.mark.parametrize(
    ("augmenting_s", "word"), [(0.0, "resampling"), (4.0, "resampling"), (6.0, "augmentation")]
)
def test_names_augmentation_where_it_takes_longest(
    profiler: TrainingProfiler, augmenting_s: float, word: str
) -> None:
    profiler.augmenting_s = augmenting_s
    assert profiler.bottleneck == profiler.facts()["bottleneck"] == word
    assert profiler.facts()["augmenting_share"] == augmenting_s / 20
    assert f"bottleneck: {word}" in profiler.line()
    assert f"at random: {100 * augmenting_s / 20:.0f} %" in profiler.line()


def test_decoding_stays_decoding(profiler: TrainingProfiler) -> None:
    profiler.decoding_s, profiler.augmenting_s = 8.0, 6.0
    assert profiler.bottleneck == "decoding"


def test_the_network_stays_the_bottleneck_where_nothing_waits() -> None:
    now = [0.0]
    profiler = TrainingProfiler(1, clock=lambda: now[0])
    profiler.turn("computing")
    now[0] = 5.0
    profiler.turn("other")
    profiler.tiles, profiler.busy_s, profiler.augmenting_s = 10, 4.0, 4.0
    assert profiler.bottleneck == Profiler.bottleneck.fget(profiler) == "network"  # type: ignore[attr-defined]
