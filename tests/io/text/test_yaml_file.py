"""YAML as people write it: twice, with commas, with names that look like numbers."""

from pathlib import Path
from typing import Any, Literal

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from histotile.config.values import Section
from histotile.config.yaml_file import as_written, check_utf8, read_config, standard_config
from histotile.errors import HistotileError
from histotile.io.text.yaml_file import read_value, read_yaml


class Inner(Section):
    mpp: float
    outside: str | None
    names: dict[str, str]
    mode: Literal["off", "on"]
    flag: bool


class Outer(Section):
    classes: tuple[str, ...]
    tile: Inner
    options: dict[str, Any]


def read(path: Path, text: str | bytes) -> dict[str, Any]:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_yaml(path, Outer)


def test_text_is_taken_as_it_is_written_where_text_is_wanted(tmp_path: Path) -> None:
    found = read(
        tmp_path / "a.yaml",
        "classes: [0, 001, 1.0, no, Yes, 2020-01-02, 1e3, 'x', null]\n"
        "tile: {mpp: 1, outside: off, names: {1: 0, no: yes, 1.50: x}, mode: off, flag: yes}\n"
        "options: {a: 1, b: no, c: [2, x]}\n",
    )
    assert found["classes"] == ["0", "001", "1.0", "no", "Yes", "2020-01-02", "1e3", "x", None]
    assert found["tile"] == {
        "mpp": 1,
        "outside": "off",
        "names": {"1": "0", "no": "yes", "1.50": "x"},
        "mode": "off",
        "flag": True,
    }
    assert found["options"] == {"a": 1, "b": False, "c": [2, "x"]}
    assert read(tmp_path / "b.yaml", "tile: {outside: ~}\n")["tile"]["outside"] is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "classes: [a]\ntile:\n  mpp: 1\nclasses: [b]\n",
            "line 4: `classes` is written twice, in line 1",
        ),
        (
            "tile:\n  mpp: 1\n  flag: no\n  mpp: 2\n",
            "line 4: `tile.mpp` is written twice, in line 2",
        ),
        ("tile: {names: {1: a, 2: b, 1: c}}\n", "`tile.names.1` is written twice"),
        ("options: {a: {b: 1, b: 1}}\n", "`options.a.b` is written twice"),
        ("options: [{b: 1, b: 1}]\n", "`options.b` is written twice"),
        ("tile: {mpp: 0,5}\n", "line 1: `5` stands as a key in tile.*\n.*point"),
        ("tile:\n\tmpp: 1\n", "line 2: no YAML.*\n.*spaces, not with tabs"),
        ("tile: [1\n", "no YAML"),
        ("a: &x {b: *x}\n", "holds itself"),
        ("? [a, b]\n: 1\n", "is no word"),
        ("options: 2020-13-45\n", "no YAML"),
        ("- a\n", "holds no settings"),
        ("", "holds no settings"),
        ("a: 1\n---\nb: 2\n", "no YAML"),
        (b"classes: [\x81]\n", "neither UTF-8 nor Windows-1252"),
        (b"classes: [\0]\n", "NUL"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_line(
    tmp_path: Path, text: str | bytes, said: str
) -> None:
    with pytest.raises(HistotileError, match=said):
        read(tmp_path / "a.yaml", text)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_files_are_read_as_editors_save_them(tmp_path: Path, encoding: str) -> None:
    text = "classes:\r\n  - gesund\r\n  - tumorähnlich\r\n"
    assert read(tmp_path / "a.yaml", text.encode(encoding))["classes"][1] == "tumorähnlich"


def test_aliases_and_merges_are_no_repeats(tmp_path: Path) -> None:
    text = "base: &b {mpp: 1, mode: on}\ntile: {<<: *b, mpp: 2}\nagain: *b\n"
    found = read(tmp_path / "a.yaml", text)
    assert found["tile"] == {"mpp": 2, "mode": "on"}
    laughs = "a: &a [x, x]\n" + "".join(
        f"{k}: &{k} [{', '.join([f'*{chr(ord(k) - 1)}'] * 9)}]\n" for k in "bcdefghijklmnopqrst"
    )
    assert read(tmp_path / "b.yaml", laughs)["a"] == ["x", "x"]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.from_regex("[a-z]{1,4}", fullmatch=True), inner, max_size=3)
        ),
        max_leaves=8,
    )
)
def test_what_no_type_guides_is_read_as_yaml(value: Any) -> None:
    text = yaml.safe_dump(value, allow_unicode=True)
    assert read_value("x", text, Any) == yaml.safe_load(text)


def test_the_settings_of_another_reader_get_their_text_back(tmp_path: Path) -> None:
    base = standard_config().read_text(encoding="utf-8")
    (tmp_path / "config.yaml").write_text(base, encoding="utf-8")
    overlay = tmp_path / "mine.yaml"
    overlay.write_text(
        "classes: [no, 001]\ntile: {labels: {names: {1: no}, outside: no}}\n"
        "heatmap: {class_name: 001}\naccept: {spelling-00000000: 1}\n"
    )
    paths = [tmp_path / "config.yaml", overlay]
    as_snakemake_does = yaml.safe_load(base)
    changes = yaml.safe_load(overlay.read_text())
    as_snakemake_does |= {k: v for k, v in changes.items() if k != "tile"}
    as_snakemake_does["heatmap"] = {**yaml.safe_load(base)["heatmap"], "class_name": 1}
    as_snakemake_does["tile"]["labels"] |= {"outside": False}
    as_snakemake_does["tile"]["labels"]["names"] = {"tumor": "tumour", 1: False}
    as_snakemake_does["results"] = "elsewhere"  # by --config
    found = as_written(as_snakemake_does, paths)
    assert found["classes"] == ["no", "001"]
    assert found["tile"]["labels"]["outside"] == "no"
    assert found["tile"]["labels"]["names"] == {"tumor": "tumour", "1": "no"}
    assert found["heatmap"]["class_name"] == "001"
    assert found["results"] == "elsewhere"
    assert found["split"] == yaml.safe_load(base)["split"]


def test_snakemake_needs_utf8(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes("cohort: Köln.csv\n".encode("cp1252"))
    with pytest.raises(HistotileError, match="Snakemake reads UTF-8 alone"):
        check_utf8(path)
    path.write_text("cohort: Köln.csv\n", encoding="utf-8-sig")
    check_utf8(path)


@pytest.mark.parametrize(
    ("overlay", "said"),
    [
        ("heatmap: {class_name: cyst}", "`heatmap.class_name`: 'cyst' is none of `classes`"),
        ("tile: {labels: {names: {x: cyst}}}", "`tile.labels.names.x`: 'cyst'"),
        ("results: 'C:\\out'", "path of Windows"),
        ("cohort: ~/slides.csv", None),
    ],
)
def test_settings_that_do_not_agree_are_named_by_key(
    tmp_path: Path, overlay: str, said: str | None
) -> None:
    (tmp_path / "mine.yaml").write_text(overlay)
    if said is None:
        found = read_config(standard_config(), tmp_path / "mine.yaml")
        assert found.cohort == str(Path("~/slides.csv").expanduser())
        return
    with pytest.raises(HistotileError, match=said):
        read_config(standard_config(), tmp_path / "mine.yaml")
