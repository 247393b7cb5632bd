"""The draw of training tiles: bounded per slide and class, and independent of other slides."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from histotile.data.selection import select_tiles
from histotile.errors import HistotileError
from histotile.tasks.registry import make_task

CLASSES = ("healthy", "tumour")
TASK = make_task(CLASSES)
LABELS = (["healthy"] * 60 + ["tumour"] * 20 + [None] * 10 + ["cyst"] * 6)[:96]
EXCLUDED = [None] * 55 + ["pen"] * 10 + [None] * 31


@pytest.fixture
def tile_tables(make_slide: Any, make_table: Any) -> dict[str, Path]:
    return {
        name: make_table(make_slide(name, seed=seed), LABELS, EXCLUDED)
        for seed, name in enumerate(("a", "b", "c"))
    }


def test_takes_used_labelled_tiles_with_their_places(tile_tables: dict[str, Path]) -> None:
    drawn = select_tiles(tile_tables, ["b", "a"], TASK, 1000, 0)
    assert drawn.slide_ids == ("b", "a")
    assert [p.stem for p in drawn.paths] == ["b", "a"]
    assert (drawn.tile_mpp, drawn.tile_px, drawn.mpps) == (0.5, 64, (0.5, 0.5))
    expected = [n for n in range(96) if LABELS[n] in CLASSES and EXCLUDED[n] is None]
    for slide in (0, 1):
        own = drawn.slide == slide
        assert sorted(drawn.tile_id[own].tolist()) == expected
        assert [CLASSES[c] for c in drawn.label[own]] == [LABELS[t] for t in drawn.tile_id[own]]
    assert np.array_equal(drawn.x, drawn.tile_id % 12 * 64)
    assert np.array_equal(drawn.y, drawn.tile_id // 12 * 64)
    assert drawn.count() == {"healthy": 110, "tumour": 30}


def test_draws_at_most_so_many_of_each_slide_and_class(tile_tables: dict[str, Path]) -> None:
    drawn = select_tiles(tile_tables, ["a", "b", "c"], TASK, 10, 0)
    assert drawn.count() == {"healthy": 30, "tumour": 30}
    for slide in range(3):
        assert len(set(drawn.tile_id[drawn.slide == slide].tolist())) == 20


def test_draw_depends_on_the_seed_and_the_slide_alone(tile_tables: dict[str, Path]) -> None:
    def of_b(slides: list[str], seed: int) -> list[int]:
        drawn = select_tiles(tile_tables, slides, TASK, 10, seed)
        return list(drawn.tile_id[drawn.slide == slides.index("b")])

    assert of_b(["b"], 0) == of_b(["a", "b", "c"], 0)
    assert of_b(["b"], 0) != of_b(["b"], 1)
    both = select_tiles(tile_tables, ["a", "b"], TASK, 10, 0)
    assert both.tile_id[both.slide == 0].tolist() != both.tile_id[both.slide == 1].tolist()


def test_tables_that_do_not_fit_together(
    tile_tables: dict[str, Path], make_slide: Any, make_table: Any
) -> None:
    tile_tables["d"] = make_table(make_slide("d"), tile_mpp=1.0)
    with pytest.raises(HistotileError, match=r"64 px at 0.5 um/px .*; 64 px at 1 um/px \(d\)"):
        select_tiles(tile_tables, ["a", "d"], TASK, 10, 0)
    with pytest.raises(HistotileError, match="no tile table for slides: x"):
        select_tiles(tile_tables, ["a", "x"], TASK, 10, 0)
