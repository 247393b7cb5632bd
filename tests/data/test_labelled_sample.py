"""The sample of labelled tiles: even over patients, classes and slides; the same each time."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histotile.data.sampling import Cell, fill, sample_labelled, share_evenly, spread
from histotile.data.selection import Selection
from histotile.errors import HistotileError
from histotile.io import tables
from histotile.tasks.registry import make_task

CLASSES = ("healthy", "tumour")
TASK = make_task(CLASSES)
Counts = dict[Cell, int]
Cohort = tuple[dict[str, Path], dict[str, str]]


@pytest.fixture
def write(tmp_path: Path) -> Any:
    """Writes a tile table with so many tiles of each class, three excluded, three unlabelled."""

    def make(slide_id: str, healthy: int, tumour: int, tile_px: int = 64) -> Path:
        labels = ["healthy"] * healthy + ["tumour"] * tumour + ["healthy"] * 3 + [None, "cyst", ""]
        n = len(labels)
        columns: dict[str, Any] = {name: [None] * n for name in tables.TILES.names}
        columns |= {"tile_id": np.arange(n), "x": np.arange(n) * 10, "y": np.arange(n) * 7}
        order = np.random.default_rng(n).permutation(n)
        excluded = [None] * (healthy + tumour) + ["pen"] * 3 + [None] * 3
        columns["label"] = [labels[k] for k in order]
        columns["excluded"] = [excluded[k] for k in order]
        facts = {"slide_id": slide_id, "path": f"{slide_id}.svs", "mpp": 0.25, "tile_mpp": 0.5}
        path = tmp_path / f"{slide_id}.parquet"
        tables.write_table(path, columns, tables.TILES, {**facts, "tile_px": tile_px})
        return path

    return make


@pytest.fixture
def cohort(write: Any) -> Cohort:
    """Patient A: a large and a small slide; B: one slide, few tumour tiles; C: five tiles."""
    sizes = {"a1": (500, 100), "a2": (20, 0), "b": (300, 4), "c": (0, 5), "empty": (0, 0)}
    found = {slide_id: write(slide_id, *size) for slide_id, size in sizes.items()}
    return found, {"a1": "A", "a2": "A", "b": "B", "c": "C", "empty": "C"}


def per(selection: Selection, patients: dict[str, str]) -> Counter[tuple[str, str, str]]:
    slides = [selection.slide_ids[s] for s in selection.slide]
    names = [selection.task.names[c] for c in selection.label]
    return Counter((patients[s], n, s) for s, n in zip(slides, names, strict=True))


def test_patients_share_evenly_then_classes_then_slides(cohort: Cohort) -> None:
    found = sample_labelled(*cohort, TASK, 85, 0)
    assert per(found, cohort[1]) == {
        ("A", "healthy", "a1"): 10,
        ("A", "healthy", "a2"): 10,
        ("A", "tumour", "a1"): 20,
        ("B", "healthy", "b"): 36,
        ("B", "tumour", "b"): 4,
        ("C", "tumour", "c"): 5,
    }


def test_tiles_are_used_labelled_sorted_and_where_the_table_says(cohort: Cohort) -> None:
    found = sample_labelled(*cohort, TASK, 10_000, 0)
    assert len(found) == 500 + 100 + 20 + 300 + 4 + 5
    assert found.slide_ids == ("a1", "a2", "b", "c")  # `empty` gives none
    assert (found.tile_mpp, found.tile_px, found.mpps) == (0.5, 64, (0.25,) * 4)
    assert [p.name for p in found.paths] == ["a1.svs", "a2.svs", "b.svs", "c.svs"]
    keys = list(zip(found.slide.tolist(), found.tile_id.tolist(), strict=True))
    assert keys == sorted(set(keys))
    assert np.array_equal(found.x, found.tile_id * 10)
    assert np.array_equal(found.y, found.tile_id * 7)
    for slide, slide_id in enumerate(found.slide_ids):
        table = tables.read_table(cohort[0][slide_id]).to_pylist()
        own = found.slide == slide
        for tile, label in zip(found.tile_id[own], found.label[own], strict=True):
            assert table[tile]["label"] == CLASSES[label]
            assert table[tile]["excluded"] is None


def test_draw_depends_on_the_seed_and_not_on_the_order(cohort: Cohort) -> None:
    tile_tables, patients = cohort
    backwards = dict(reversed(tile_tables.items())), dict(reversed(patients.items()))
    one = sample_labelled(*cohort, TASK, 50, 0)
    other = sample_labelled(*backwards, TASK, 50, 0)
    assert np.array_equal(one.tile_id, other.tile_id)
    assert one.slide_ids == other.slide_ids
    assert not np.array_equal(one.tile_id, sample_labelled(*cohort, TASK, 50, 1).tile_id)


def test_a_part_of_the_sample_is_spread_alike(cohort: Cohort) -> None:
    found = sample_labelled(*cohort, TASK, 500, 0)
    part = spread(found, cohort[1], 45, 0)
    keys = list(zip(part.slide.tolist(), part.tile_id.tolist(), strict=True))
    assert len(set(keys)) == 45
    assert keys == sorted(keys)
    whole = zip(found.slide, found.tile_id, found.x, found.label, strict=True)
    assert set(zip(part.slide, part.tile_id, part.x, part.label, strict=True)) <= set(whole)
    patients = Counter(cohort[1][part.slide_ids[s]] for s in part.slide)
    assert patients == {"A": 20, "B": 20, "C": 5}
    assert np.array_equal(part.tile_id, spread(found, cohort[1], 45, 0).tile_id)


def test_no_labelled_tile(write: Any) -> None:
    with pytest.raises(HistotileError, match="no tile has a label"):
        sample_labelled({"a": write("a", 0, 0)}, {"a": "A"}, TASK, 10, 0)


def test_tables_of_different_scale(write: Any) -> None:
    found = {"a": write("a", 5, 5), "b": write("b", 5, 5, tile_px=96)}
    with pytest.raises(HistotileError, match="96 px"):
        sample_labelled(found, {"a": "A", "b": "B"}, TASK, 10, 0)


@given(st.lists(st.integers(0, 50), max_size=12), st.integers(0, 400), st.integers(0, 99))
def test_shares_are_even_and_exceed_no_capacity(sizes: list[int], total: int, seed: int) -> None:
    capacity = np.array(sizes, np.int64)
    shares = fill(capacity, total, np.random.default_rng(seed))
    assert shares.sum() == min(total, capacity.sum())
    assert (shares <= capacity).all()
    free = shares[shares < capacity]
    if len(free):  # nobody who gives all gives more, and the others differ by one at most
        assert shares.max() <= free.min() + 1


cells = st.tuples(st.sampled_from("PQRS"), st.sampled_from("xyz"), st.sampled_from("123"))


@given(st.dictionaries(cells, st.integers(1, 40), min_size=1), st.integers(0, 300))
def test_cells_are_shared_by_patient_first(counts: Counts, total: int) -> None:
    shares = share_evenly(counts, total, np.random.default_rng(0))
    assert sum(shares.values()) == min(total, sum(counts.values()))
    assert all(shares[cell] <= counts[cell] for cell in counts)
    backwards = dict(reversed(counts.items()))
    assert share_evenly(backwards, total, np.random.default_rng(0)) == shares
    for depth in (1, 2, 3):
        _check_even(counts, shares, depth)


def _check_even(counts: Counts, shares: Counts, depth: int) -> None:
    given: Counter[tuple[str, ...]] = Counter()
    there: Counter[tuple[str, ...]] = Counter()
    for cell, share in shares.items():
        given[cell[:depth]] += share
        there[cell[:depth]] += counts[cell]
    for one in given:
        alike = [given[k] for k in given if k[:-1] == one[:-1]]
        assert given[one] == there[one] or given[one] >= max(alike) - 1
