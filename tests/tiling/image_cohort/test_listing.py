"""Listing ready-made tiles: layouts of folders, CSV files, groups, and what is refused."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from histotile.errors import HistotileError
from histotile.io.cohort import Cohort, cohort_csv, read_cohort
from histotile.io.cohort_checks import check_cohort
from histotile.tasks.registry import make_task
from histotile.tiling.image_cohort.folders import TileImage
from histotile.tiling.image_cohort.listing import (
    PORTION,
    Listing,
    holds_images,
    list_groups,
    list_images,
)
from histotile.tiling.image_cohort.pseudo_groups import deal

CLASSES = ("healthy", "tumour")
TASK = make_task(CLASSES)


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    return root


def groups(path: Path) -> dict[str, tuple[str, ...]]:
    return {s.slide_id: s.labels for s in list_images(path, TASK).cohort.slides}


@pytest.mark.parametrize(
    "layout", ["{label}/{group}/{name}", "{group}/{label}/{name}", "{label}/{group}/100x/{name}"]
)
def test_groups_lie_below_or_above_classes(tmp_path: Path, layout: str) -> None:
    places = [("p1", "healthy"), ("p1", "tumour"), ("p2", "tumour"), ("p10", "healthy")]
    names = [layout.format(group=g, label=c, name=f"{n}.PNG") for g, c in places for n in (1, 2)]
    found = list_images(touch(tmp_path, *names, "README.txt", ".hidden/x.png"), TASK)
    assert groups(tmp_path) == {"p1": CLASSES, "p10": ("healthy",), "p2": ("tumour",)}
    assert found.cohort.has_patients
    assert found.cohort.of_images
    assert [s.label for s in found.cohort.slides] == [None, "healthy", "tumour"]
    assert len(found.images) == 8
    assert all(Path(image.file).is_file() for image in found.images)


def assert_groups_are_listed_alone(path: Path) -> None:
    """list_groups gives what list_images gives, group by group."""
    found = list_images(path, TASK)
    for group in found.digests:
        expected = [(i.file, i.label) for i in found.images if i.group == group]
        assert [(i.file, i.label) for i in list_groups(path, TASK, [group])[group]] == expected


@pytest.mark.parametrize(
    "layout",
    [
        "{label}/{group}/{n}.png",
        "{group}/{label}/{n}.png",
        "test/{group}/{label}/40x/{n}.png",
        "train/{label}/{group}/40x/{n}.png",
        "{label}/{n}.png",
    ],
)
def test_one_group_is_listed_as_among_all(tmp_path: Path, layout: str) -> None:
    for group in ("p1", "p2", "test"):
        for label in CLASSES:
            touch(tmp_path, *(layout.format(group=group, label=label, n=n) for n in range(3)))
    assert_groups_are_listed_alone(tmp_path)


def test_folders_named_as_splits_are_splits(tmp_path: Path) -> None:
    names = [f"{s}/{c}/{n}.png" for s in ("Train", "test") for c in CLASSES for n in range(30)]
    found = list_images(touch(tmp_path, *names), TASK).cohort
    assert not found.has_patients
    assert {(s.slide_id[:4], s.split) for s in found.slides} == {
        ("test", "test"),
        ("tile", None),
    }
    assert all(s.labels == CLASSES for s in found.slides)


def test_a_patient_may_be_called_test(tmp_path: Path) -> None:
    names = [f"{p}/{c}/1.png" for p in ("test", "p1") for c in CLASSES]
    assert groups(touch(tmp_path, *names)) == {"p1": CLASSES, "test": CLASSES}


def test_csv_says_group_site_and_split(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "b.png", "c.png")
    rows = ["path,label,group,site,split"]
    rows += [
        f"{tmp_path}/a.png,healthy,p 1,north,train",
        f"{tmp_path}/b.png,tumour,p 1,north,train",
    ]
    rows += [f"{tmp_path}/c.png,tumour,p2,,Testing"]
    path = tmp_path / "tiles.csv"
    path.write_text("\n".join(rows) + "\n")
    assert holds_images(path)
    one, two = list_images(path, TASK).cohort.slides
    assert (one.patient_id, one.site, one.label, one.labels) == ("p 1", "north", None, CLASSES)
    assert (two.label, two.split, two.site) == ("tumour", "test", None)
    assert_groups_are_listed_alone(path)


def test_words_of_the_split_of_tiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(touch(tmp_path, "a.png", "b.png"))
    rows = "path;label;group;split\na.png;healthy;p1;{}\nb.png;tumour;p2;{}\n"
    Path("t.csv").write_bytes(rows.format("Held out", "Training").encode("utf-16"))
    assert holds_images(Path("t.csv"))
    assert [s.split for s in list_images(Path("t.csv"), TASK).cohort.slides] == ["test", None]
    Path("t.csv").write_text(rows.format("val", "train"))
    with pytest.raises(HistotileError, match="row 2: split 'val' is no side"):
        list_images(Path("t.csv"), TASK)


def test_folders_of_a_validation_part_are_told(tmp_path: Path) -> None:
    names = [f"{s}/{c}/1.png" for s in ("train", "valid", "Hold-out") for c in CLASSES]
    found = list_images(touch(tmp_path, *names), TASK)
    assert {s.split for s in found.cohort.slides} == {None, "test"}
    (remark,) = found.remarks
    assert "'valid'" in remark


def test_groups_and_sites_of_tiles_are_spelt_in_one_way(tmp_path: Path) -> None:
    folder = touch(tmp_path, "healthy/P01/1.png", "tumour/p 01/1.png", "healthy/P2/1.png")
    with pytest.raises(HistotileError, match=r"'P01' \(slide P01\) and 'p 01' \(slide p 01\)"):
        check_cohort(list_images(folder, TASK).cohort, {})


def test_the_cohort_of_groups_survives_its_file(tmp_path: Path) -> None:
    touch(tmp_path / "in", *[f"ü {p}/{c}/1.png" for p in "ab" for c in CLASSES], "c/tumour/2.png")
    cohort = list_images(tmp_path / "in", TASK).cohort
    path = tmp_path / "slides.csv"
    path.write_text(cohort_csv(cohort), encoding="utf-8")
    assert not holds_images(path)
    assert read_cohort(path) == cohort


def test_digests_change_with_files_of_their_group_alone(tmp_path: Path) -> None:
    touch(tmp_path, *[f"{p}/{c}/1.png" for p in ("p1", "p2") for c in CLASSES])
    before = list_images(tmp_path, TASK)
    (tmp_path / "p2/tumour/1.png").write_bytes(b"mended in place")
    after = list_images(tmp_path, TASK)
    assert before.digests["p1"] == after.digests["p1"]
    assert before.digests["p2"] != after.digests["p2"]
    assert before.digest != after.digest


@pytest.mark.parametrize(
    ("names", "facts"),
    [
        (["AC/1.png", "AC/2.png", "healthy/1.png"], ["AC (2)", "classes are"]),
        (["1.png"], ["the folder itself"]),
        (["healthy/1.txt"], ["no image", ".png"]),
        (["healthy/1.png"], ["class 'tumour' has no image", "healthy (1)"]),
        (["healthy/p1/1.png", "tumour/2.png"], ["1 of 2 images have no group"]),
    ],
)
def test_folders_that_fit_no_layout_are_refused(
    tmp_path: Path, names: list[str], facts: list[str]
) -> None:
    with pytest.raises(HistotileError) as caught:
        list_images(touch(tmp_path, *names), TASK)
    for fact in [*facts, "Remedy"]:
        assert fact in str(caught.value)


@pytest.mark.parametrize(
    ("rows", "facts"),
    [
        (["a.png,healthy,p", "b.png,tumor,p"], ["1 images labelled 'tumor'", "none of classes"]),
        (["a.png,healthy,p", "lost.png,tumour,p"], ["1 files do not exist", "lost.png"]),
        (["a.png,healthy,p", "a.png,tumour,p"], ["'a.png' is listed 2 times"]),
        (["a.png,healthy,p", "b.png,tumour,x/y"], ["group 'x/y' cannot name a file"]),
        (["a.png,healthy,p,x"], ["row 2 has 4 cells"]),
        ([], ["lists no image"]),
    ],
)
def test_wrong_rows_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: list[str], facts: list[str]
) -> None:
    monkeypatch.chdir(touch(tmp_path, "a.png", "b.png"))
    Path("t.csv").write_text("\n".join(["path,label,group", *rows]) + "\n")
    with pytest.raises(HistotileError) as caught:
        list_images(Path("t.csv"), TASK)
    for fact in facts:
        assert fact in str(caught.value)


@pytest.mark.parametrize(("column", "values"), [("site", "ab"), ("split", ["train", "test"])])
def test_a_group_has_one_site_and_one_side(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, column: str, values: list[str]
) -> None:
    monkeypatch.chdir(touch(tmp_path, "a.png", "b.png"))
    rows = [f"a.png,healthy,p,{values[0]}", f"b.png,tumour,p,{values[1]}"]
    Path("t.csv").write_text("\n".join([f"path,label,group,{column}", *rows]) + "\n")
    with pytest.raises(HistotileError, match=f"group 'p' stands in several {column}s"):
        list_images(Path("t.csv"), TASK)


def test_a_csv_of_slides_is_none_of_images(tmp_path: Path) -> None:
    path = tmp_path / "slides.csv"
    path.write_text("slide_id,path,label\na,a.svs,healthy\n")
    assert not holds_images(path)
    assert not holds_images(tmp_path / "none.csv")


@given(st.lists(st.integers(1, 300), min_size=1, max_size=4))
def test_dealing_is_even_in_every_class_and_bounded(sizes: list[int]) -> None:
    tiles = [("", f"c{c}", f"c{c}/{n}.png") for c, size in enumerate(sizes) for n in range(size)]
    dealt = deal(tiles)
    assert len(set(dealt)) <= 50
    most = max(10, min(50, sum(sizes) // 20))
    for c, size in enumerate(sizes):
        shares = Counter(
            g for g, (_, label, _) in zip(dealt, tiles, strict=True) if label == f"c{c}"
        )
        assert max(shares.values()) <= -(-size // most)
        own = [g for g, (_, label, _) in zip(dealt, tiles, strict=True) if label == f"c{c}"]
        assert own == sorted(own), "neighbouring names were parted"


def test_dealing_keeps_splits_apart() -> None:
    tiles = [(s, "a", f"{n}.png") for n in range(100) for s in ("train", "test")]
    for group, (split, _, _) in zip(deal(tiles), tiles, strict=True):
        assert group.startswith(split)


def test_real_sets(shared_data: Path) -> None:
    found = list_images(shared_data / "tiles/idc_ps50", make_task(("0", "1")))
    assert (len(found.images), len(found.cohort.slides)) == (4527, 126)
    assert found.cohort.has_patients
    assert "labels" in cohort_csv(found.cohort)
    tissue = shared_data / "tiles/kather2016_24tif"
    classes = tuple(sorted(p.name for p in tissue.iterdir() if p.is_dir()))
    assert len(list_images(tissue, make_task(classes)).images) == 24


def portions(sizes: dict[str, int]) -> list[tuple[str, ...]]:
    """The portions of groups with so many images."""
    images = (
        TileImage(f"{n}.png", "healthy", group, None, None, (0, 0))
        for group, size in sorted(sizes.items())
        for n in range(size)
    )
    return [
        tuple(groups) for groups in Listing(tuple(images), Cohort((), has_patients=True)).portions
    ]


@given(
    st.dictionaries(st.text("abcdef", min_size=1, max_size=4), st.integers(1, 300), min_size=1),
    st.tuples(st.text("abcdef", min_size=5, max_size=5), st.integers(1, 300)),
)
def test_one_more_group_changes_one_portion(sizes: dict[str, int], more: tuple[str, int]) -> None:
    before, after = portions(sizes), portions(sizes | dict([more]))
    assert [group for groups in before for group in groups] == sorted(sizes)
    gone, new = set(before) - set(after), set(after) - set(before)
    assert len(gone) <= 1 and 1 <= len(new) <= 2
    assert {g for groups in new for g in groups} == {more[0]} | {g for one in gone for g in one}


def test_portions_hold_about_as_many_images_each_and_large_groups_end_theirs() -> None:
    many = portions({f"p{n:04}": 6 for n in range(3200)})
    assert 0.8 < 3200 * 6 / len(many) / PORTION < 1.25
    assert portions({"a": 1, "b": PORTION, "c": PORTION, "d": 2}) == [("a", "b"), ("c",), ("d",)]
