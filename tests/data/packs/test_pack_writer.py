"""Packs made of tile tables: which tiles, which pixels, and when the slide itself is as fast."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from histotile.config import Pack
from histotile.data import source
from histotile.data.packs import pack_writer
from histotile.data.packs.pack_file import PackIndex, decode_place, read_pack_index
from histotile.data.packs.pack_writer import pack_tiles
from histotile.data.packs.tile_codecs import Codec, Rgb, encode
from histotile.errors import HistotileError
from histotile.io import tables
from histotile.io.tile_spec import IMAGES
from histotile.slides.slide import Slide, UnreadableTile
from histotile.slides.tile_reader import read_tile

MakeSlide = Callable[..., Path]
LABELS = ["healthy"] * 40 + [None] * 16 + ["tumour"] * 40
EXCLUDED = ["pen" if n % 10 == 3 else None for n in range(96)]
KEPT = [n for n in range(96) if LABELS[n] and not EXCLUDED[n]]


def settings(use: Any = "always", quality: int = 0) -> Pack:
    return Pack(use=use, quality=quality)


def unpacked(index: PackIndex, row: int) -> Rgb:
    place = index.place(row)
    data = index.path.read_bytes()[place.offset : place.offset + place.size]
    return decode_place(index.path, data, place, int(index.facts["tile_px"]))


@pytest.fixture
def table(make_slide: MakeSlide, make_table: Any) -> Path:
    path: Path = make_table(make_slide("S1"), LABELS, EXCLUDED)
    return path


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "pack" / "S1.pack"


def test_holds_the_labelled_tiles_that_are_not_excluded(table: Path, output: Path) -> None:
    done: list[tuple[int, int]] = []
    found = pack_tiles(table, output, settings(), lambda n, total: done.append((n, total)))
    assert (found["read_from"], found["tiles"], found["copied"]) == ("pack", len(KEPT), 0)
    assert done == [(n + 1, len(KEPT)) for n in range(len(KEPT))]
    index = read_pack_index(output)
    assert index.tile_id.tolist() == KEPT
    rows = tables.read_table(table)
    np.testing.assert_array_equal(index.x, rows["x"].to_numpy()[KEPT])
    np.testing.assert_array_equal(index.y, rows["y"].to_numpy()[KEPT])
    facts = index.facts
    assert (facts["slide_id"], facts["tile_mpp"], facts["tile_px"]) == ("S1", 0.5, 64)
    assert facts["settings"] == {"use": "always", "quality": 0}


@pytest.mark.parametrize("tile_mpp", [0.5, 0.75])
def test_pixels_are_those_of_the_slide(
    make_slide: MakeSlide, make_table: Any, output: Path, tile_mpp: float
) -> None:
    slide = make_slide("S1")
    table = make_table(slide, ["tumour"] * 96, tile_mpp=tile_mpp)
    pack_tiles(table, output, settings())
    index = read_pack_index(output)
    with Slide.open(slide, 0.5) as opened:
        for row in (0, 17, 50, 95):
            there = read_tile(opened, int(index.x[row]), int(index.y[row]), tile_mpp, 64)
            np.testing.assert_array_equal(unpacked(index, row), there)


def test_quality_makes_jpegs(table: Path, output: Path) -> None:
    lossless = pack_tiles(table, output, settings())["bytes"]
    assert pack_tiles(table, output, settings(quality=50))["bytes"] < lossless / 2
    assert set(read_pack_index(output).codec.tolist()) == {Codec.JPEG}


class Compressed:
    """Behind every tile a compressed one: of these numbers the first JPEG, else the second."""

    def __init__(self, number: Callable[[int, int], int], *jpegs: bytes) -> None:
        self.number, self.jpegs = number, jpegs

    def numbers(self, x: Any, y: Any) -> Any:
        places = zip(x.tolist(), y.tolist(), strict=True)
        return np.array([self.number(*place) for place in places])

    def jpeg(self, number: int) -> bytes:
        return self.jpegs[number]


def grey(value: int) -> Rgb:
    return np.full((64, 64, 3), value, np.uint8)


def test_compressed_tiles_are_copied_only_if_they_hold_the_very_pixels(
    table: Path, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jpeg = encode(grey(90), 100)[1]
    compressed = Compressed(lambda x, y: int(x > 0), b"no JPEG", jpeg)
    monkeypatch.setattr(pack_writer, "compressed_tiles", lambda *_: compressed)
    first = KEPT[1]

    def half_grey(slide: Slide, x: int, y: int, mpp: float, tile_px: int) -> Rgb:
        return grey(90) if (x, y) == (64 * first, 0) else read_tile(slide, x, y, mpp, tile_px)

    monkeypatch.setattr(source, "read_tile", half_grey)
    assert pack_tiles(table, output, settings())["copied"] == 1
    index = read_pack_index(output)
    assert np.flatnonzero(index.codec == Codec.JPEG).tolist() == [1]
    assert index.size[1] == len(jpeg)


def test_a_proof_that_fails_late_is_known_before_anything_is_copied(
    table: Path, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jpeg = encode(grey(90), 100)[1]
    monkeypatch.setattr(
        pack_writer, "compressed_tiles", lambda *_: Compressed(lambda x, y: 0, jpeg)
    )
    rows = tables.read_table(table)
    late = KEPT[64]
    place = (rows["x"][late].as_py(), rows["y"][late].as_py())

    def grey_but_one(slide: Slide, x: int, y: int, mpp: float, tile_px: int) -> Rgb:
        return grey(91) if (x, y) == place else grey(90)

    monkeypatch.setattr(source, "read_tile", grey_but_one)
    assert pack_tiles(table, output, settings())["copied"] == len(KEPT) - 1
    codec = read_pack_index(output).codec
    assert np.flatnonzero(codec == Codec.PLANES).tolist() == [64]


def test_copies_that_are_proven_are_not_read_again_and_damaged_ones_are(
    table: Path, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jpeg = encode(grey(90), 100)[1]
    compressed = Compressed(lambda x, y: int(x == 640), jpeg, jpeg[:-20])
    monkeypatch.setattr(pack_writer, "compressed_tiles", lambda *_: compressed)
    read: list[int] = []

    def reading(slide: Slide, x: int, y: int, mpp: float, tile_px: int) -> Rgb:
        read.append(x)
        if x == 640:
            raise UnreadableTile("cut short")
        return grey(90)

    monkeypatch.setattr(source, "read_tile", reading)
    found = pack_tiles(table, output, settings())
    index = read_pack_index(output)
    damaged = index.x == 640
    assert found["damaged"] == damaged.sum() == read.count(640) > 0
    assert found["copied"] == len(KEPT) - found["damaged"]
    assert (index.codec == np.where(damaged, Codec.DAMAGED, Codec.JPEG)).all()
    assert len(read) - read.count(640) == 9  # the first 8, and the 65th


def test_tiles_beside_the_grid_are_announced_alone(
    table: Path, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jpeg = encode(grey(90), 100)[1]
    compressed = Compressed(lambda x, y: -int(x >= 256), jpeg)
    monkeypatch.setattr(pack_writer, "compressed_tiles", lambda *_: compressed)
    monkeypatch.setattr(source, "read_tile", lambda *_: grey(90))
    announced: list[int] = []
    monkeypatch.setattr(source, "expect_tiles", lambda slide, x, *_: announced.extend(x.tolist()))
    found = pack_tiles(table, output, settings())
    x = read_pack_index(output).x
    assert announced == x[x >= 256].tolist()
    assert found["copied"] == (x < 256).sum()


@pytest.mark.parametrize(("shift", "copied"), [(0, True), (8, False)])
def test_tiles_of_a_jpeg_slide_are_copied_where_they_are_its_own(
    tmp_path: Path, make_table: Any, output: Path, shift: int, copied: bool
) -> None:
    import tifffile

    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (64, 96, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    path = tmp_path / "S1.tiff"
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(
            rgb, tile=(64, 64), photometric="rgb", compression="jpeg", compressionargs={"level": 80}
        )
    labels = ["tumour"] * 96
    table = make_table(path, labels)
    rows, footer = tables.read_table(table), tables.read_footer(table)
    columns = {name: rows[name].to_pylist() for name in rows.column_names}
    columns["x"] = [x + shift for x in columns["x"]]
    tables.write_table(table, columns, tables.TILES, footer)
    found = pack_tiles(table, output, settings())
    index = read_pack_index(output)
    assert found["copied"] == (96 if copied else 0)
    assert set(index.codec.tolist()) == {Codec.JPEG if copied else Codec.PLANES}
    with Slide.open(path, 0.5) as slide:
        assert slide.reader == "direct"
        for row in (0, 13, 95):
            there = read_tile(slide, int(index.x[row]), int(index.y[row]), 0.5, 64)
            np.testing.assert_array_equal(unpacked(index, row), there)


def test_damaged_tiles_are_noted(
    table: Path, output: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def damaged(slide: Slide, x: int, y: int, mpp: float, tile_px: int) -> Rgb:
        if x == 128:
            raise UnreadableTile("here")
        return read_tile(slide, x, y, mpp, tile_px)

    monkeypatch.setattr(source, "read_tile", damaged)
    found = pack_tiles(table, output, settings())
    index = read_pack_index(output)
    assert found["damaged"] == (index.codec == Codec.DAMAGED).sum() == (index.x == 128).sum() > 0
    assert len(caplog.records) == found["damaged"]


class Clock:
    """A clock under which reading the slide takes `slide` s, and everything else 1 ms."""

    def __init__(self, slide: float) -> None:
        self.now, self.slide = 0.0, slide

    def __call__(self) -> float:
        self.now += 0.001
        return self.now

    def read(self, slide: Slide, x: int, y: int, mpp: float, tile_px: int) -> Rgb:
        self.now += self.slide
        return read_tile(slide, x, y, mpp, tile_px)


@pytest.mark.parametrize(("slide_s", "packed"), [(0.0011, True), (0.0009, False)])
def test_auto_packs_what_is_read_twice_as_fast(
    table: Path, output: Path, monkeypatch: pytest.MonkeyPatch, slide_s: float, packed: bool
) -> None:
    clock = Clock(slide_s)
    monkeypatch.setattr(pack_writer, "perf_counter", clock)
    monkeypatch.setattr(source, "read_tile", clock.read)
    found = pack_tiles(table, output, settings(use="auto"))
    assert found["slide_ms"] == pytest.approx(1e3 * slide_s + 1)
    assert found["pack_ms"] == pytest.approx(1)
    index = read_pack_index(output)
    assert len(index) == (len(KEPT) if packed else 0)
    assert index.facts["read_from"] == found["read_from"] == ("pack" if packed else "slide")
    assert index.facts["slide_ms"] == found["slide_ms"]
    assert [p.name for p in output.parent.iterdir()] == ["S1.pack"]


def test_auto_times_the_slide_as_training_reads_it(
    table: Path, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def noted(slide: Slide, x: int, y: int, mpp: float, tile_px: int) -> Rgb:
        seen.append(type(slide).__name__)
        return read_tile(slide, x, y, mpp, tile_px)

    monkeypatch.setattr(source, "read_tile", noted)
    pack_tiles(table, output, settings(use="auto"))
    assert seen[: 2 * 64 + 1] == ["Slide"] * 64 + ["FrugalSlide"] * 65


def test_auto_of_a_slide_without_labels(
    make_slide: MakeSlide, make_table: Any, output: Path
) -> None:
    found = pack_tiles(make_table(make_slide("S1")), output, settings(use="auto"))
    assert (found["tiles"], len(read_pack_index(output))) == (0, 0)


def test_speed_may_not_decide_which_pixels_are_trained_on() -> None:
    with pytest.raises(ValidationError, match=r"set quality: 0 or use: always"):
        settings(use="auto", quality=90)


def test_never_is_refused(table: Path, output: Path) -> None:
    with pytest.raises(HistotileError, match=r"pack.use: is never[^$]*auto or always"):
        pack_tiles(table, output, settings(use="never"))
    assert not output.exists()


def test_a_slide_without_tiles_is_not_opened(make_table: Any, tmp_path: Path, output: Path) -> None:
    table = make_table(tmp_path / "cut short.svs", ["tumour"] * 96, ["unreadable"] * 96, mpp=None)
    for use in ("always", "auto"):
        found = pack_tiles(table, output, settings(use))
        assert (found["tiles"], found["read_from"], found["damaged"]) == (0, "slide", 0)
        index = read_pack_index(output)
        assert (len(index), index.facts["read_from"]) == (0, "slide")


def test_image_files_are_refused(make_table: Any, tmp_path: Path, output: Path) -> None:
    table = make_table(tmp_path, ["tumour"] * 96, source=IMAGES, mpp=None)
    with pytest.raises(HistotileError, match="its tiles are image files"):
        pack_tiles(table, output, settings())


def test_the_verb_packs(table: Path, output: Path) -> None:
    from click.testing import CliRunner

    from histotile.cli import cli

    given = json.dumps({"use": "always", "quality": 0})
    words = ["pack", str(table), "--output", str(output), "--settings", given]
    done = CliRunner().invoke(cli, words, catch_exceptions=False)
    assert done.exit_code == 0
    assert f"S1: {len(KEPT)} tiles, 0 of them copied, " in done.output
    assert len(read_pack_index(output)) == len(KEPT)


def test_what_a_slide_does_not_need_is_not_imported(table: Path, output: Path) -> None:
    code = (
        "import sys; from histotile.cli import cli;"
        "cli(sys.argv[1:], standalone_mode=False);"
        "heavy = 'cv2', 'numba', 'pandas', 'pyarrow.compute', 'torch';"
        "print([name for name in heavy if name in sys.modules])"
    )
    words = ["pack", str(table), "-o", str(output), "--set", "use=always", "--set", "quality=0"]
    run = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)
    assert run.stdout.splitlines()[-1] == "[]", run.stdout + run.stderr
