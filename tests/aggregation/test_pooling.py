import hypothesis
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histotile.aggregation.pooling import pool, pool_resamples, with_background
from histotile.config import Aggregate

METHODS = ("mean", "top_k", "quantile", "noisy_or")


@hypothesis.settings(deadline=None)
@given(
    st.integers(1, 60),
    st.integers(1, 9),
    st.sampled_from(METHODS),
    st.integers(1, 30),
    st.floats(0, 1),
    st.integers(0, 2**31),
)
def test_resamples_are_what_tiles_repeated_one_by_one_give(
    n: int, n_groups: int, method: str, top_k: int, quantile: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    settings = Aggregate.model_validate(
        {
            "method": method,
            "top_k": top_k,
            "quantile": quantile,
            "calls": "highest",
            "bootstraps": 5,
        }
    )
    _, groups = np.unique(rng.integers(0, n_groups, n), return_inverse=True)
    tiles = rng.dirichlet([0.3, 0.3, 0.3], n).round(2)
    count = int(groups.max()) + 1
    weights = rng.multinomial(count, np.full(count, 1 / count), size=5)
    found = pool_resamples(tiles, groups, weights, settings)
    for row in range(5):
        repeated = np.repeat(tiles, weights[row][groups], axis=0)
        assert found[row] == pytest.approx(pool(repeated, settings), abs=1e-9)


def test_background_is_what_the_others_leave_in_one_row_as_in_many() -> None:
    top = Aggregate(method="top_k", top_k=1, quantile=0.5, calls="highest", bootstraps=0)
    scores = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]])
    found = with_background(scores, top)
    assert found == pytest.approx(np.array([[0.8, 0.2, 0.1], [0.2, 0.1, 0.8]]))
    assert with_background(scores[1], top) == pytest.approx(found[1])
    assert scores[0, 0] == 0.7
    mean = top.model_copy(update={"method": "mean"})
    assert (with_background(scores, mean) == scores).all()
