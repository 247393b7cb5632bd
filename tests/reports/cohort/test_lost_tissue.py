"""Slides and patients that lose most of their tissue are named, with the cause."""

from histotile.io.ledger import Entry
from histotile.reports.cohort.lost_tissue import lost_tissue


def taken(share: float, colour: str = "green") -> Entry:
    return Entry("tissue", f"taken for {colour} ink", area_um2=1e6 * share, share=share)


def test_nobody_who_keeps_half_is_named() -> None:
    ledgers = {"a": [taken(0.5)], "b": [], "c": [Entry("tiles", "no tissue", 90, share=0.9)]}
    assert lost_tissue(ledgers, {"a": "p", "b": "p", "c": "q"}) == []


def test_slides_and_patients_are_named_with_the_largest_cause() -> None:
    ledgers = {
        "a": [taken(0.3, "blue"), taken(0.4)],
        "b": [taken(0.1)],
        "c": [taken(0.96)],
        "d": [taken(0.8)],
    }
    slides, patients = lost_tissue(ledgers, {"a": "p", "b": "p", "c": "q", "d": None})
    assert "3 slides: a (40 % taken for green ink), c (96 %" in slides
    assert "1 patient: q:" in patients
    assert "exclude_pen" in slides


def test_many_are_counted_not_listed() -> None:
    ledgers = {f"s{n}": [taken(0.9)] for n in range(14)}
    (sentence,) = lost_tissue(ledgers, {})
    assert "14 slides" in sentence
    assert "and 4 more" in sentence
