"""The house rules: who imports whom, how large a file may grow, what starts without torch."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import histotile
from histotile.configfile import read_config, render, schema

PACKAGE = Path(histotile.__file__).parent
LEAVES = {
    "config",
    "config_values",
    "columns",
    "tables",
    "writing",
    "digests",
    "cohort",
    "errors",
    "features",
    "palette",
    "qupath",
    "names",
    "vocabulary",
    "text_file",
    "csv_file",
    "findings",
    "ledger",
    "identity",
}
ALLOWED = {
    "config": {"config_values", "errors", "names"},
    "config_values": {"names"},
    "config_messages": {"names"},
    "configfile": {
        *(
            "config",
            "config_values",
            "config_messages",
            "errors",
            "names",
            "text_file",
            "writing",
            "yaml_file",
        )
    },
    "cohort": {"csv_file", "errors", "findings", "names", "vocabulary"},
    "cohort_checks": {"cohort", "csv_file", "errors", "findings", "names", "vocabulary"},
    "csv_file": {"errors", "names", "text_file"},
    "names": set(),
    "text_file": {"errors"},
    "vocabulary": {"errors", "names"},
    "yaml_file": {"errors", "text_file"},
    "findings": {"errors"},
    "ledger": set(),
    "identity": {"errors"},
    "columns": set(),
    "tables": {"columns", "errors", "writing"},
    "digests": {"errors", "names", "source_digest", "writing"},
    "source_digest": set(),
    "features": {"errors", "tables", "writing"},
    "palette": set(),
    "qupath": {"palette", "tables", "writing"},
    "errors": set(),
    "writing": set(),
    "slides": LEAVES,
    "tiles": LEAVES | {"cohort_checks", "slides"},
    "engines": set(),
    "decision": {
        *("config", "errors", "features", "findings", "identity", "names", "tables", "writing")
    },
    "trust": set(),
    "models": LEAVES | {"tiles", "engines", "trust"},
    "results": LEAVES,
    "reports": LEAVES | {"results", "models", "decision", "trust"},
    "checks": LEAVES
    | {"config_messages", "configfile", "cohort_checks", "slides", "tiles", "models", "engines"},
    "exports": LEAVES | {"results", "models", "engines"},
}
OPENSLIDE_ROOMS = {"slides"}
# A list of settings is long but flat: it is read by looking up, not from top to bottom.
LONG_FILES = {"config.py": 720}
MOST_LINES = 250


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_rooms_import_in_one_direction(path: Path) -> None:
    here = room(path)
    ours = {name.split(".")[1] for name in imported(path) if name.startswith("histotile.")}
    ours -= {here, "__version__"}
    if here not in {"cli", "__init__", "__main__"}:
        assert ours <= ALLOWED[here], f"{here} may not import {sorted(ours - ALLOWED[here])}"
    theirs = {name.split(".")[0] for name in imported(path)}
    assert "openslide" not in theirs or here in OPENSLIDE_ROOMS
    if here in {"results", "slides", "decision", "trust"}:
        assert not theirs & {"torch", "timm", "pytorch_lightning"}


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_files_stay_rooms_and_do_not_become_halls(path: Path) -> None:
    lines = path.read_text().count("\n")
    assert lines <= LONG_FILES.get(str(path.relative_to(PACKAGE)), MOST_LINES)


def test_functions_are_short() -> None:
    lengths = [
        (node.end_lineno or node.lineno) - node.lineno + 1
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef)
    ]
    lengths.sort()
    assert lengths[int(0.9 * len(lengths))] <= 40
    assert lengths[-1] <= 60


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_module_level_holds_only_definitions(path: Path) -> None:
    allowed = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign)
    for node in ast.parse(path.read_text()).body:
        docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        tests = {"TYPE_CHECKING", "__name__ == '__main__'"}
        condition = isinstance(node, ast.If) and ast.unparse(node.test) in tests
        loop = isinstance(node, ast.For) and path == PACKAGE / "cli" / "__init__.py"
        assert isinstance(node, allowed) or docstring or condition or loop, ast.unparse(node)


@pytest.mark.parametrize("module", ["histotile.config", "histotile.configfile", "histotile.cli"])
def test_settings_and_command_line_import_no_heavy_library(module: str) -> None:
    code = f"import sys, {module}; print(' '.join(sys.modules))"
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    assert not {"torch", "openslide", "cv2", "timm", "pandas", "sklearn"} & set(loaded)


def test_config_yaml_and_schema_follow_config_py(repository: Path) -> None:
    folder = repository / "config"
    config = read_config(folder / "config.yaml")
    remedy = "run `make config`"
    assert (folder / "config.yaml").read_text() == render(config), remedy
    assert (folder / "schema.json").read_text() == schema(), remedy


def test_every_yaml_in_the_repository_loads(repository: Path) -> None:
    tracked = subprocess.check_output(["git", "ls-files", "*.yaml"], cwd=repository, text=True)
    for name in tracked.split():
        assert yaml.safe_load((repository / name).read_text()), name


def test_overlays_give_valid_configurations(repository: Path) -> None:
    for overlay in (repository / "config").glob("*.yaml"):
        assert read_config(repository / "config" / "config.yaml", overlay).classes
