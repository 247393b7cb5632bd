"""Groups that keep copies together."""

import numpy as np

from histotile.strategy.leakage.copied_tiles import SlidePair
from histotile.strategy.leakage.near_duplicates import Duplicates
from histotile.strategy.leakage.suggested_groups import TileRow, are_scattered, suggest_groups

PATIENTS = {name: name for name in "abcd"}


def found(pairs: dict[tuple[str, str], float], sources: dict[str, list[int]]) -> Duplicates:
    listed = tuple(SlidePair(a, b, (a, b), 10, share) for (a, b), share in pairs.items())
    numbers = {name: np.array(own) for name, own in sources.items()}
    return Duplicates(12, 12, 0.5, listed, numbers)


SCATTERED = found(
    {("a", "b"): 0.3, ("b", "c"): 0.3},
    {"a": [4, -1, 7], "b": [4, 9, 7], "c": [-1, 9, -1], "d": [-1, -1]},
)
TWICE = found({("a", "c"): 1.0}, {"a": [0, 1], "b": [-1], "c": [0, 1], "d": [-1]})
FEW_GROUPS = found({("a", "b"): 1.0}, {"a": [1, 1, 2, 2, 3, 3], "b": [1, 2, 3]})


def rows(sites: dict[str, str] | None = None, test: str = "") -> list[TileRow]:
    return [
        TileRow(g, k, f"{g}{k}.png", "x", (sites or {}).get(g), "test" if g in test else None)
        for g in "abcd"
        for k in range(len(SCATTERED.sources[g]))
    ]


def test_scattered_copies_are_told_from_one_person_under_two_names() -> None:
    assert are_scattered(SCATTERED) and are_scattered(FEW_GROUPS)
    assert not are_scattered(TWICE)
    apart = {("a", "b"): 0.9, ("c", "d"): 0.1}
    assert not are_scattered(found(apart, {"a": [0], "b": [0], "c": [1], "d": [1]}))


def test_scattered_copies_are_grouped_by_their_source_and_others_stay() -> None:
    columns = suggest_groups(SCATTERED, PATIENTS, rows())
    assert list(columns) == ["path", "label", "group"]
    groups = dict(zip(columns["path"], columns["group"], strict=True))
    assert groups["a0.png"] == groups["b0.png"] == "source_1"
    assert groups["a2.png"] == groups["b2.png"] != "source_1"
    assert groups["b1.png"] == groups["c1.png"]
    assert [groups[f] for f in ("a1.png", "c0.png", "d1.png")] == ["a", "c", "d"]


def test_a_damaged_tile_keeps_its_group_and_new_names_are_new() -> None:
    tiles = [*rows(), TileRow("d", None, "bad.png", "x", None, None)]
    columns = suggest_groups(SCATTERED, PATIENTS | {"source_1": "source_1"}, tiles)
    assert columns["group"][-1] == "d"
    assert "source_1" not in columns["group"] and "source__1" in columns["group"]


def test_sites_and_sides_stay_where_a_group_has_one() -> None:
    sites = {"a": "north", "b": "north", "c": "south", "d": "south"}
    columns = suggest_groups(SCATTERED, PATIENTS, rows(sites, test="ab"))
    by_path = {
        p: (s, t) for p, s, t in zip(*(columns[k] for k in ("path", "site", "split")), strict=True)
    }
    assert by_path["a0.png"] == ("north", "test") and by_path["d0.png"] == ("south", None)
    assert by_path["b1.png"] == by_path["c1.png"] == (None, None)


def test_patients_that_share_a_slide_become_one() -> None:
    assert suggest_groups(TWICE, PATIENTS, []) == {
        "slide_id": ["a", "b", "c", "d"],
        "patient_id": ["a", "b", "a", "d"],
    }
    tiles = [TileRow(g, 0, f"{g}.png", "x", None, None) for g in "abcd"]
    assert suggest_groups(TWICE, PATIENTS, tiles)["group"] == ["a", "b", "a", "d"]


def test_without_copies_there_are_no_rows() -> None:
    clean = Duplicates(4, 4, 0.0, (), {g: np.array([-1]) for g in "abcd"})
    assert suggest_groups(clean, PATIENTS, rows()) == {"path": [], "label": [], "group": []}
    assert suggest_groups(clean, PATIENTS, []) == {"slide_id": [], "patient_id": []}
