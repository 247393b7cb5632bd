"""Tables: footers, whole-or-nothing writing, and digests that follow the code."""

import json
from pathlib import Path

import pytest

from histotile import tables
from histotile.errors import HistotileError

SCHEMA = tables.prediction_schema(("healthy", "tumour"))
COLUMNS = {
    "tile_id": [0, 1],
    "x": [0, 224],
    "y": [5, 5],
    "prob_healthy": [0.75, 0.5],
    "prob_tumour": [0.25, 0.5],
}


def test_a_table_comes_back_with_its_footer(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "t.parquet"
    tables.write_table(path, COLUMNS, SCHEMA, {"mpp": 0.5, "slide_id": "ä 😐"})
    assert tables.read_table(path).to_pydict() == COLUMNS
    footer = tables.read_footer(path)
    assert (footer["mpp"], footer["slide_id"]) == (0.5, "ä 😐")
    assert "histotile" in footer


def test_the_same_table_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        tables.write_table(tmp_path / name, COLUMNS, SCHEMA, {"mpp": 0.5})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_an_empty_table_is_a_value(tmp_path: Path) -> None:
    path = tmp_path / "empty.parquet"
    tables.write_table(path, {name: [] for name in COLUMNS}, SCHEMA, {})
    assert tables.read_table(path).num_rows == 0


def test_a_failed_write_leaves_the_old_file_and_no_rest(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    tables.write_json(path, {"old": 1})
    with pytest.raises(ValueError, match=r"nan|JSON"):
        tables.write_json(path, {"new": float("nan")})
    with pytest.raises(RuntimeError), tables.replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert json.loads(path.read_text()) == {"old": 1}
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", [b"", b"PAR1", b"not a table"])
def test_broken_tables_are_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "t.parquet"
    path.write_bytes(content)
    with pytest.raises(HistotileError, match=r"t\.parquet"):
        tables.read_table(path)
    with pytest.raises(HistotileError, match=r"t\.parquet"):
        tables.read_footer(path)


def test_digest_follows_the_modules_a_rule_reaches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "histotile"
    (package / "a").mkdir(parents=True)
    (package / "config.py").write_text("x = 1\n")
    (package / "a" / "__init__.py").write_text("")
    (package / "a" / "far.py").write_text("x = 1\n")
    (package / "a" / "near.py").write_text("def f():\n    from histotile.a.far import x\n")
    (package / "a" / "apart.py").write_text("from histotile.config import x\n")
    monkeypatch.setattr(tables, "__file__", str(package / "tables.py"))

    def both() -> tuple[str, str]:
        tables.digest.cache_clear()
        return tables.digest("histotile.a.near"), tables.digest("histotile.a.apart")

    near, apart = both()
    (package / "a" / "far.py").write_text("x = 2\n")
    near_after, apart_after = both()
    assert near_after != near
    assert apart_after == apart
    (package / "a" / "templates").mkdir()
    (package / "a" / "templates" / "page.html").write_text("<p>")
    assert both()[0] != near_after
    apart = both()[1]
    (package / "config.py").write_text("x = 2\n")
    assert both()[1] == apart
    tables.digest.cache_clear()


def test_digest_of_a_model_follows_its_weights(tmp_path: Path) -> None:
    (tmp_path / "fold0").mkdir()
    (tmp_path / "fold0" / "model.ckpt").write_bytes(b"1")
    before = tables.digest_files(tmp_path)
    (tmp_path / "fold0" / "curves.csv").write_text("noise")
    assert tables.digest_files(tmp_path) == before
    (tmp_path / "fold0" / "model.ckpt").write_bytes(b"2")
    assert tables.digest_files(tmp_path) != before
    with pytest.raises(HistotileError, match="no trained model"):
        tables.digest_files(tmp_path / "empty")


def test_digest_of_weights_follows_files_and_knows_hub_names(tmp_path: Path) -> None:
    assert tables.digest_weights("imagenet") == tables.digest_weights("hf-hub:a/b") == ""
    assert tables.digest_weights("shipped:natural") != tables.digest_weights("shipped:histology")
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"1")
    before = tables.digest_weights(f"local-dir:{tmp_path}")
    assert before == tables.digest_weights(str(weights))
    weights.write_bytes(b"2")
    assert tables.digest_weights(f"local-dir:{tmp_path}") != before
    with pytest.raises(HistotileError, match="no trained model"):
        tables.digest_weights(str(tmp_path / "lost.pth"))
