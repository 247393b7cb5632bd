"""Coordinates of other programs: their sides in level-0 px, their steps, and their mistakes."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histotile.errors import HistotileError
from histotile.tiling.external_coordinates import Coordinates, read_coordinates

CORNERS = [[300, 0], [44, 256], [300, 256], [556, 256]]


def write_h5(path: Path, corners: Any, dataset: str = "coords", **attributes: Any) -> Path:
    with h5py.File(path, "w") as file:
        data = file.create_dataset(dataset, data=np.asarray(corners))
        data.attrs.update(attributes)
    return path


def clam(path: Path, corners: Any = CORNERS, **changes: Any) -> Path:
    """As CLAM's `process_contour` writes them."""
    facts = {
        "patch_size": 256,
        "patch_level": 0,
        "downsample": (1.0, 1.0),
        "downsampled_level_dim": (4000, 3000),
        "level_dim": (4000, 3000),
        "name": "s",
        "save_path": "out",
    }
    return write_h5(path, corners, **{**facts, **changes})


def trident(path: Path, corners: Any = CORNERS, **changes: Any) -> Path:
    """As TRIDENT's `extract_tissue_coords` writes them."""
    facts = {
        "patch_size": 256,
        "patch_size_level0": 512,
        "level0_magnification": 40,
        "target_magnification": 20,
        "overlap": 0,
        "name": "s",
        "savetodir": "out",
    }
    return write_h5(path, corners, **{**facts, **changes})


def wsinfer(path: Path, corners: Any = CORNERS, **changes: Any) -> Path:
    """As WSInfer's `save_hdf5` writes them: patch_size in level-0 px."""
    facts = {"patch_size": 347, "patch_level": 0, "patch_spacing_um_px": 0.25}
    return write_h5(path, corners, **{**facts, **changes})


def places(found: Coordinates) -> list[list[int]]:
    return [[int(x), int(y)] for x, y in zip(found.x, found.y, strict=True)]


def test_clam_counts_its_tiles_in_px_of_their_level(tmp_path: Path) -> None:
    found = read_coordinates(clam(tmp_path / "a.h5"))
    assert (found.program, found.side, found.stride, found.listed) == ("CLAM", 256, 256, 4)
    assert places(found) == sorted(CORNERS, key=lambda c: c[::-1])
    coarse = clam(tmp_path / "b.h5", patch_level=1, downsample=(4.0, 4.0008))
    assert read_coordinates(coarse).side == pytest.approx(256 * 4.0004)


def test_trident_tells_its_side_at_level_0_and_its_overlap(tmp_path: Path) -> None:
    found = read_coordinates(trident(tmp_path / "a.h5"))
    assert (found.program, found.side, found.stride) == ("TRIDENT", 512, 512)
    overlapping = read_coordinates(trident(tmp_path / "b.h5", overlap=64))
    assert (overlapping.side, overlapping.stride) == (512, 384)
    facts = {"patch_size_level0": 341, "target_magnification": 30, "overlap": 64}
    assert read_coordinates(trident(tmp_path / "c.h5", **facts)).stride == 256


def test_wsinfer_tells_its_side_at_level_0(tmp_path: Path) -> None:
    found = read_coordinates(wsinfer(tmp_path / "a.h5"))
    assert (found.program, found.side, found.stride) == ("WSInfer", 347, 256)


def test_model_outputs_of_wsinfer_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    rows = [f"{x},{y},350,350,0.25,0.75" for x, y in CORNERS]
    path.write_text("minx,miny,width,height,prob_Other,prob_Tumor\n" + "\n".join(rows) + "\n")
    found = read_coordinates(path)
    assert (found.program, found.side, found.stride, found.listed) == ("WSInfer", 350, 256, 4)
    assert places(found) == sorted(CORNERS, key=lambda c: c[::-1])


@pytest.mark.parametrize(
    ("separator", "encoding", "end"), [(";", "utf-8-sig", "\r\n"), ("\t", "utf-16", "\r")]
)
def test_tables_saved_again_by_a_spreadsheet_are_taken(
    tmp_path: Path, separator: str, encoding: str, end: str
) -> None:
    rows = (
        ["minx,miny,width,height,prob"] + [f"{x}.5,{y},350,350,0.25" for x, y in CORNERS] + [",,,,"]
    )
    table = [row.replace(",", separator).replace(".", ",") for row in rows]
    path = tmp_path / "s.csv"
    path.write_bytes(end.join(table).encode(encoding))
    found = read_coordinates(path)
    assert (found.listed, found.side) == (4, 350)
    assert {x for x, _ in places(found)} == {round(x + 0.5) for x, _ in CORNERS}


def test_no_tiles_are_no_mistake_and_places_count_once(tmp_path: Path) -> None:
    none = read_coordinates(trident(tmp_path / "a.h5", []))
    assert (len(none.x), none.side, none.listed) == (0, 512, 0)
    twice = read_coordinates(clam(tmp_path / "b.h5", [*CORNERS, *CORNERS]))
    assert (len(twice.x), twice.listed) == (4, 8)
    one = read_coordinates(clam(tmp_path / "c.h5", CORNERS[:1]))
    assert one.stride == one.side


@given(
    stride=st.integers(16, 700),
    origins=st.lists(st.tuples(st.integers(0, 9000), st.integers(0, 9000)), min_size=1, max_size=3),
)
def test_contours_with_grids_of_their_own_keep_the_common_step(
    stride: int, origins: list[tuple[int, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    steps = np.stack(np.meshgrid(np.arange(5), np.arange(5)), axis=-1).reshape(-1, 2) * stride
    apart = 100_000 * np.arange(len(origins))[:, None, None]  # contours do not lie on each other
    corners = (steps[None] + np.array(origins)[:, None] + apart).reshape(-1, 2)
    path = clam(
        tmp_path_factory.mktemp("c") / "a.h5", np.random.default_rng(0).permutation(corners)
    )
    found = read_coordinates(path)
    assert found.stride == stride
    assert sorted(places(found)) == sorted(corners.tolist())


def write_csv(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda p: write_h5(p / "a.h5", CORNERS, dataset="features"), "no data set `coords`"),
        (lambda p: write_h5(p / "a.h5", CORNERS), "no attribute `patch_size`"),
        (lambda p: write_h5(p / "a.h5", CORNERS, patch_size=256), "no attribute `patch_level`"),
        (lambda p: write_h5(p / "a.h5", [1, 2, 3], patch_size=256, patch_level=0), "shape"),
        (lambda p: clam(p / "a.h5", patch_size="big"), "no number"),
        (lambda p: clam(p / "a.h5", patch_size=0), "0 level-0 px"),
        (lambda p: clam(p / "a.h5", [[0.0, np.nan]]), "no level-0 px"),
        (lambda p: clam(p / "a.h5", [[0, 2**40]]), "no level-0 px"),
        (lambda p: trident(p / "a.h5", overlap=256), "cannot overlap"),
        (lambda p: write_csv(p / "a.h5", "no HDF5"), "not a readable HDF5"),
        (lambda p: write_csv(p / "a.csv", "minx,miny\n1,2\n"), "width, height"),
        (lambda p: write_csv(p / "a.csv", ""), "it is empty"),
        (lambda p: write_csv(p / "a.csv", "minx,miny,width,height\n"), "lists no tile"),
        (lambda p: write_csv(p / "a.csv", "minx,miny,width,height\na,b,c,d\n"), "no number.*2"),
        (
            lambda p: write_csv(p / "a.csv", "minx,miny,width,height\n1,5,0,9,9\n"),
            "row 2 has 5 cells",
        ),
        (lambda p: write_csv(p / "a.csv", "minx,miny,width,height\n0,0,9,8\n"), "row 2.*square"),
        (lambda p: write_csv(p / "a.csv", "minx,miny,width,height\n0,0,9,9\n9,0,8,8\n"), "sizes"),
        (lambda p: write_csv(p / "a.json", "{}"), r"\.json are not taken"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, make: Any, words: str) -> None:
    path = make(tmp_path)
    with pytest.raises(HistotileError, match=words) as caught:
        read_coordinates(path)
    assert caught.value.subject == str(path)
    assert caught.value.remedy


def test_a_small_file_that_claims_billions_of_tiles_is_refused_unread(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "huge.h5", "w") as file:
        held = file.create_dataset("coords", (2**31, 2), "f8", chunks=(1024, 2), compression="gzip")
        held.attrs["patch_level"], held.attrs["patch_size"] = 0, 256
    assert (tmp_path / "huge.h5").stat().st_size < 10_000
    with pytest.raises(HistotileError, match="lists 2147483648 tiles"):
        read_coordinates(tmp_path / "huge.h5")
