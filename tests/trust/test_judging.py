"""What is said of a slide while and after its tiles are judged."""

from collections.abc import Callable

import numpy as np
import pytest

from histotile.trust.fitting import Sample, fit_taught
from histotile.trust.judging import Familiarity, Watch
from histotile.trust.sentences import tell, tell_rate
from histotile.trust.taught import Taught

Make = Callable[..., Sample]


@pytest.fixture
def taught(make_sample: Make) -> Taught:
    found = fit_taught(make_sample(10), [0.25, 0.5])
    assert found is not None
    return found


def watched(
    models: list[Taught | None], sample: Sample, mpp: float | None = 0.25, looks: float = 0.0
) -> tuple[np.ndarray, Familiarity]:
    """The first slide of a sample, in two batches."""
    rows = sample.slides == 0
    features = sample.features[rows].astype(np.float32)
    assert sample.looks is not None
    ids = np.arange(len(features), dtype=np.int32)
    watch = Watch(models, ids, sample.looks[rows] + looks)
    parts = [ids[5:], ids[:5]]
    found = [watch.see(part, [features[part]] * len(models)) for part in parts]
    tiles = np.concatenate(found)[np.argsort(np.concatenate(parts))]
    return tiles, watch.slide(mpp, watch.flags(tiles))


def test_like_and_unlike(taught: Taught, make_sample: Make) -> None:
    tiles, like = watched([taught], make_sample(1, seed=5))
    assert like.flag == "familiar"
    assert like.tiles is not None
    assert like.tiles["familiar"] > 0.9 * len(tiles)
    tiles, unlike = watched([taught], make_sample(1, seed=5, shift=12.0))
    assert unlike.flag == "foreign"
    assert unlike.distance is not None
    assert unlike.distance > 1
    assert unlike.reasons == ["in what the network sees"]
    assert np.median(tiles) > 0.5


def test_other_colours_alone_are_foreign(taught: Taught, make_sample: Make) -> None:
    _, found = watched([taught], make_sample(1, seed=5), looks=3.0)
    assert (found.flag, found.reasons) == ("foreign", ["in colour and sharpness"])


def test_unknown_colours_leave_the_features_to_tell(taught: Taught, make_sample: Make) -> None:
    tiles, found = watched([taught], make_sample(1, seed=5), looks=np.nan)
    assert found.flag == "familiar"
    assert np.isfinite(tiles).all()


def test_a_scan_much_coarser_than_any_taught_on_is_unusual(
    taught: Taught, make_sample: Make
) -> None:
    _, found = watched([taught], make_sample(1, seed=5), mpp=1.0)
    assert found.flag == "unusual"
    assert "scanned at 1 um/px" in found.reasons[0]
    assert watched([taught], make_sample(1, seed=5), mpp=0.6)[1].flag == "familiar"
    assert watched([taught], make_sample(1, seed=5), mpp=None)[1].flag == "familiar"


def test_an_ensemble_takes_the_mean(taught: Taught, make_sample: Make) -> None:
    other = fit_taught(make_sample(10, seed=7), [])
    sample = make_sample(1, seed=5, shift=3.0)
    single = [watched([model], sample)[1].distance for model in (taught, other)]
    assert watched([taught, other], sample)[1].distance == pytest.approx(
        np.mean([d for d in single if d is not None]), abs=1e-3
    )


def test_models_of_older_make_say_unknown(taught: Taught, make_sample: Make) -> None:
    tiles, found = watched([None], make_sample(1, seed=5))
    assert (found.flag, found.distance) == ("unknown", None)
    assert np.isnan(tiles).all()
    assert "unknown" in tell(found)
    assert watched([None, taught], make_sample(1, seed=5))[1].flag == "familiar"


def test_a_slide_without_tiles_is_unknown(taught: Taught) -> None:
    watch = Watch([taught], np.zeros(0, np.int32), np.zeros((0, 7)))
    assert watch.slide(0.5, []).flag == "unknown"


def test_sentences_name_distance_reason_and_what_the_limit_rests_on() -> None:
    few = Familiarity("foreign", 4.2, 0.67, ["in colour and sharpness"], 10, None)
    assert "4.2" in tell(few)
    assert "in colour and sharpness" in tell(few)
    assert "10" in tell_rate(few)
    assert "too few" in tell_rate(few)
    many = Familiarity("unusual", 0.9, 0.67, [], 120, 0.01)
    assert "at most 1 %" in tell_rate(many)
