"""Digests follow the code and the weights."""

import ast
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from histotile.errors import HistotileError
from histotile.io import digests


def test_digest_follows_the_modules_a_rule_reaches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "histotile"
    (package / "a").mkdir(parents=True)
    (package / "io").mkdir()
    (package / "config.py").write_text("x = 1\n")
    (package / "a" / "__init__.py").write_text("")
    (package / "a" / "far.py").write_text("x = 1\n")
    (package / "a" / "near.py").write_text("def f():\n    from histotile.a.far import x\n")
    (package / "a" / "apart.py").write_text("from histotile.config import x\n")
    monkeypatch.setattr(digests, "__file__", str(package / "io" / "digests.py"))

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


WITHIN = r"(?:(?!^ *rule\b).)*?"
NAMED = rf'^ *rule(?: |:{WITHIN}name:\s+f")(\w+)'
RULES = re.compile(rf"{NAMED}{WITHIN}code=digest\(([^)]*)\)", re.M | re.S)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the program's sources."""
    copy = tmp_path_factory.mktemp("package") / "histotile"
    shutil.copytree(
        Path(digests.__file__).parents[1], copy, ignore=shutil.ignore_patterns("*.onnx")
    )
    return copy


@pytest.fixture
def changed(
    sources: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str, str, str], set[str]]:
    """The rules whose digest changes with an edit: file, text, its replacement."""
    files = sorted((repository / "workflow/rules").glob("*.smk"))
    text = "".join(file.read_text() for file in files)
    rules = {rule: re.findall(r'"([\w.]+)"', parts) for rule, parts in RULES.findall(text)}
    assert len(rules) >= 26
    monkeypatch.setattr(digests, "__file__", str(sources / "io" / "digests.py"))

    def all_digests() -> dict[str, str]:
        digests.digest.cache_clear()
        return {rule: digests.digest(*parts) for rule, parts in rules.items()}

    def change(name: str, old: str, new: str) -> set[str]:
        file = sources / name
        before, source = all_digests(), file.read_text()
        assert source.count(old) == 1
        try:
            file.write_text(source.replace(old, new))
            os.utime(file, ns=(1, hash(new) % 2**40))
            after = all_digests()
        finally:
            file.write_text(source)
            digests.digest.cache_clear()
        return {rule for rule in rules if before[rule] != after[rule]}

    return change


def test_who_judges_a_slide_runs_predictions_again(
    changed: Callable[[str, str, str], set[str]],
) -> None:
    rule = 'r["role"] == "test"}'
    assert changed("stages/predict.py", rule, 'r["role"] != "test"}') == {"predict"}


def test_which_slides_train_runs_trainings_again(
    changed: Callable[[str, str, str], set[str]],
) -> None:
    roles = 'slides = fold_slides(inputs, ("train", "val"))'
    assert changed("stages/train.py", roles, roles.replace('("tr', '("test", "tr')) == {"train"}
    rows = '== inputs.fold and row["role"] in roles'
    assert changed("stages/folds.py", rows, "== inputs.fold") == {"train", "compare", "tune"}
    verdict = 'choose(row["verdict"], VERDICTS)'
    assert changed("stages/split.py", verdict, 'row["verdict"]') == {"split"}


def test_the_look_of_pages_runs_no_network_again(
    changed: Callable[[str, str, str], set[str]],
) -> None:
    width = "WIDTH = 1\n\n\n"
    speed = "def reader_words"
    pages = {"report", "report_slide", "apply", "apply_slide"}
    assert changed("reports/cohort/throughput.py", speed, width + speed) == pages
    page = "def render_decision_page"
    assert changed("reports/strategy/page.py", page, width + page) == {"report_decision"}
    figures = "def draw_pictures"
    assert changed("evaluation/figures/figures.py", figures, width + figures) == {"report_figures"}


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("training/job.py", "no slide of role val has a", "there is no slide of role val with a"),
        ("data/selection.py", "no tile table for slides", "there are no tables for slides"),
        ("inference/predict.py", "tile the slide with tile_px", "tile that slide with tile_px"),
        ("stages/predict.py", "no fold tests it", "there is no fold that tests it"),
        ("backbones/weights.py", '_REMEDY = "check', '_REMEDY = "look at'),
        ("training/job.py", "Beside a GPU all threads", "Next to a GPU all threads"),
    ],
)
def test_words_run_nothing_again(
    changed: Callable[[str, str, str], set[str]], name: str, old: str, new: str
) -> None:
    assert changed(name, old, new) == set()


def test_the_imports_found_are_those_of_python() -> None:
    modules = sorted(Path(digests.__file__).parents[1].rglob("*.py"))
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


def test_files_of_weights_are_known_before_they_are_made(tmp_path: Path) -> None:
    folder = tmp_path / "made"
    expected = [folder / "config.json", folder / "model.safetensors"]
    assert digests.weight_files(f"local-dir:{folder}") == expected
    folder.mkdir()
    (folder / "pytorch_model.bin").touch()
    assert digests.weight_files(f"local-dir:{folder}")[1:] == [folder / "pytorch_model.bin"]
    assert digests.weight_files(str(tmp_path / "a.pth")) == [tmp_path / "a.pth"]
    for own in ("imagenet", "none", "hf-hub:a/b.pt", "shipped:natural"):
        assert digests.weight_files(own) == []
    with pytest.raises(HistotileError, match="did you mean 'imagenet'"):
        digests.weight_files("imagenett")
