"""Packs as files: opened by others, read at random, refused when they are not whole."""

import os
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from histotile.data.packs import pack_file as module
from histotile.data.packs.pack_file import PackedTile, decode_place, read_pack_index, write_pack
from histotile.data.packs.tile_codecs import Codec, Rgb, encode
from histotile.errors import HistotileError

SIDE = 32


def pixels(number: int) -> Rgb:
    return np.random.default_rng(number).integers(0, 256, (SIDE, SIDE, 3), np.uint8)


def tiles(count: int, quality: int = 0) -> list[PackedTile]:
    """Tiles 3, 5, 7, ...: numbers need not be without gaps."""
    return [PackedTile(3 + 2 * n, 10 * n, 7 * n, *encode(pixels(n), quality)) for n in range(count)]


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    path = tmp_path / "new folder" / "S & 1.pack"
    write_pack(path, {"slide_id": "S & 1", "mpp": 0.25, "tile_px": SIDE}, tiles(6))
    return path


def read(path: Path, row: int) -> Rgb:
    place = read_pack_index(path).place(row)
    data = path.read_bytes()[place.offset : place.offset + place.size]
    return decode_place(path, data, place, SIDE)


def test_tiles_and_facts_come_back(pack: Path) -> None:
    index = read_pack_index(pack)
    assert len(index) == 6
    assert index.tile_id.tolist() == [3, 5, 7, 9, 11, 13]
    assert index.x.tolist() == [0, 10, 20, 30, 40, 50]
    assert index.y.tolist() == [0, 7, 14, 21, 28, 35]
    assert (index.facts["slide_id"], index.facts["mpp"]) == ("S & 1", 0.25)
    assert index.facts["histotile"]
    for row in (4, 0, 5, 2):
        np.testing.assert_array_equal(read(pack, row), pixels(row))
    assert [p.name for p in pack.parent.iterdir()] == ["S & 1.pack"]


def test_other_programs_open_it(tmp_path: Path) -> None:
    path = tmp_path / "p.pack"
    write_pack(path, {}, tiles(3, quality=95))
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["3.jpg", "5.jpg", "7.jpg", "pack.json"]
        picture = cv2.imdecode(np.frombuffer(archive.read("5.jpg"), np.uint8), cv2.IMREAD_COLOR_RGB)
    np.testing.assert_array_equal(picture, read(path, 1))


def test_same_tiles_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_pack(tmp_path / name, {"mpp": 0.5}, iter(tiles(4)))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_pack_without_tiles_says_why(tmp_path: Path) -> None:
    write_pack(tmp_path / "p", {"read_from": "slide", "slide_ms": 0.5, "pack_ms": 0.4}, ())
    index = read_pack_index(tmp_path / "p")
    assert len(index) == 0
    assert (index.facts["slide_ms"], index.facts["pack_ms"]) == (0.5, 0.4)


def test_damaged_tiles_stand_in_the_index_alone(tmp_path: Path) -> None:
    damaged = PackedTile(4, 1, 2, Codec.DAMAGED, b"")
    write_pack(tmp_path / "p", {}, [tiles(1)[0], damaged])
    assert read_pack_index(tmp_path / "p").codec.tolist() == [Codec.PLANES, Codec.DAMAGED]
    with zipfile.ZipFile(tmp_path / "p") as archive:
        assert archive.namelist() == ["3.planes", "pack.json"]


def test_more_tiles_than_an_old_zip_can_count(tmp_path: Path) -> None:
    many = 66_000
    one = PackedTile(0, 0, 0, *encode(pixels(0), 50))
    path = tmp_path / "p"
    write_pack(path, {}, (one._replace(tile_id=n) for n in range(many)))
    assert len(read_pack_index(path)) == many
    np.testing.assert_array_equal(read(path, many - 1), read(path, 0))
    with zipfile.ZipFile(path) as archive:
        assert len(archive.infolist()) == many + 1


def test_nothing_is_left_when_writing_fails(tmp_path: Path) -> None:
    def broken() -> object:
        yield tiles(1)[0]
        raise RuntimeError("in the midst of it")

    with pytest.raises(RuntimeError, match="in the midst"):
        write_pack(tmp_path / "p", {}, broken())  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


@settings(max_examples=40, deadline=None)
@given(lacking=st.one_of(st.integers(1, 40), st.integers(1, 9000)))
def test_wherever_it_was_cut_short_it_is_refused(
    tmp_path_factory: pytest.TempPathFactory, lacking: int
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    write_pack(folder / "whole", {"mpp": 0.5}, tiles(2))
    content = (folder / "whole").read_bytes()
    (folder / "cut").write_bytes(content[: max(0, len(content) - lacking)])
    with pytest.raises(HistotileError, match="or one that was cut short"):
        read_pack_index(folder / "cut")


def test_foreign_files_are_refused(tmp_path: Path, pack: Path) -> None:
    with zipfile.ZipFile(tmp_path / "foreign.zip", "w") as archive:
        archive.writestr("pack.json", "{}")
    for path, message in (
        (tmp_path / "foreign.zip", "no pack of tiles"),
        (tmp_path, "cannot be read"),
        (tmp_path / "absent.pack", "cannot be read"),
    ):
        with pytest.raises(HistotileError, match=message):
            read_pack_index(path)
    index = read_pack_index(pack)
    changed = bytearray(pack.read_bytes())
    changed[changed.index(b'"tile_id":')] ^= 1
    pack.write_bytes(changed)
    with pytest.raises(HistotileError, match="its index is damaged"):
        read_pack_index(pack)
    assert len(index) == 6


def test_another_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as later:
        later.setattr(module, "VERSION", 2)
        write_pack(tmp_path / "p", {}, tiles(1))
    with pytest.raises(HistotileError, match=r"version 2; this histotile reads 1"):
        read_pack_index(tmp_path / "p")


def test_a_changed_tile_is_refused(pack: Path) -> None:
    place = read_pack_index(pack).place(2)
    content = bytearray(pack.read_bytes())
    content[place.offset + place.size // 2] ^= 1
    pack.write_bytes(content)
    with pytest.raises(HistotileError, match=f"damaged at byte {place.offset}"):
        read(pack, 2)
    np.testing.assert_array_equal(read(pack, 1), pixels(1))
    os.truncate(pack, place.offset + 5)
    with pytest.raises(HistotileError, match=f"damaged at byte {place.offset}"):
        decode_place(pack, pack.read_bytes()[place.offset :], place, SIDE)
