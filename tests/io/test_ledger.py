"""The ledger: what was set aside, added up and told."""

import json

import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from histotile.io.ledger import Entry, add_up, largest, read_ledger, tell, tell_names

ENTRIES = [
    Entry("outlines", "name 'Fat' is no class", 2, 3e6, 0.5),
    Entry("outlines", "claimed by outlines of two classes", None, 1e4),
    Entry("tiles", "too little tissue", 300, 1e7, 0.75),
    Entry("tiles", "pen ink", 4, None, 0.01),
    Entry("labels", "between the limits of overlap", 5, 1e5, 0.05),
    Entry("tissue", "taken for green ink", None, 2e6, 0.962),
]


def test_entries_survive_json() -> None:
    footer = {"ledger": json.loads(json.dumps([e.to_json() for e in ENTRIES]))}
    assert read_ledger(footer) == ENTRIES
    assert read_ledger({}) == []


def test_the_largest_is_found_by_share() -> None:
    assert largest(ENTRIES) == ENTRIES[-1]
    assert largest(ENTRIES, "tiles") == ENTRIES[2]
    assert largest([]) is None


def test_slides_add_up_by_reason() -> None:
    summed = {entry.reason: (entry, n) for entry, n in add_up([ENTRIES, ENTRIES[:1], []])}
    fat, slides = summed["name 'Fat' is no class"]
    assert (fat.count, fat.area_um2, fat.share, slides) == (4, 6e6, None, 2)
    contested, slides = summed["claimed by outlines of two classes"]
    assert (contested.count, slides) == (None, 1)
    assert summed["pen ink"][0].area_um2 is None


def test_totals_stand_in_one_line_and_outlines_in_their_own() -> None:
    total, *outlines = tell(ENTRIES)
    for words in ("2 outlines", "304 tiles", "5 tiles without label", "96.2 % of the stained area"):
        assert words in total
    assert [line for line in outlines if "'Fat'" in line and "2, 3 mm2" in line]
    assert len(outlines) == 2
    assert tell([]) == []


names = st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]), min_size=1)


@example({"yes": "no", "Null": None, "On": "a: b", "\x07": None})
@given(st.dictionaries(names, st.none() | names.filter(lambda name: name != "..."), min_size=1))
def test_what_to_add_is_yaml(names: dict[str, str | None]) -> None:
    found = yaml.safe_load(tell_names(names).partition("names: ")[2])
    assert found == {name: near or "..." for name, near in names.items()}
