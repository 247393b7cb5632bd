"""Digests follow the code and the weights."""

import ast
from pathlib import Path

import pytest

from histotile import digests
from histotile.errors import HistotileError


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
    monkeypatch.setattr(digests, "__file__", str(package / "digests.py"))

    def both() -> tuple[str, str]:
        digests.digest.cache_clear()
        return digests.digest("histotile.a.near"), digests.digest("histotile.a.apart")

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
    digests.digest.cache_clear()


def test_the_imports_found_are_those_of_python() -> None:
    modules = sorted(Path(digests.__file__).parent.rglob("*.py"))
    assert len(modules) > 100
    for path in modules:
        expected = set()
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("histotile"):
                expected |= {node.module, *(f"{node.module}.{a.name}" for a in node.names)}
            elif isinstance(node, ast.Import):
                expected |= {a.name for a in node.names if a.name.startswith("histotile")}
        assert set(digests._imports(path, 0)) == expected, path


def test_digest_of_a_model_follows_its_weights(tmp_path: Path) -> None:
    (tmp_path / "fold0").mkdir()
    (tmp_path / "fold0" / "model.ckpt").write_bytes(b"1")
    before = digests.digest_files(tmp_path)
    (tmp_path / "fold0" / "curves.csv").write_text("noise")
    assert digests.digest_files(tmp_path) == before
    (tmp_path / "fold0" / "model.ckpt").write_bytes(b"2")
    assert digests.digest_files(tmp_path) != before
    with pytest.raises(HistotileError, match="no trained model"):
        digests.digest_files(tmp_path / "empty")
    (tmp_path / "exported").mkdir()
    (tmp_path / "exported" / "model.onnx").write_bytes(b"1")
    before = digests.digest_files(tmp_path / "exported")
    (tmp_path / "exported" / "model.onnx").write_bytes(b"2")
    assert digests.digest_files(tmp_path / "exported") != before


def test_digest_of_weights_follows_files_and_knows_hub_names(tmp_path: Path) -> None:
    assert digests.digest_weights("imagenet") == digests.digest_weights("hf-hub:a/b") == ""
    assert digests.digest_weights("shipped:natural") != digests.digest_weights("shipped:histology")
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"1")
    before = digests.digest_weights(f"local-dir:{tmp_path}")
    assert before == digests.digest_weights(str(weights))
    weights.write_bytes(b"2")
    assert digests.digest_weights(f"local-dir:{tmp_path}") != before
    with pytest.raises(HistotileError, match="no such file"):
        digests.digest_weights(str(tmp_path / "lost.pth"))
