"""The house rules: who imports whom, how large a file may grow, what starts without torch."""

import ast
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml

import histotile
from histotile.config.readme import render_readme
from histotile.config.yaml_file import read_config, read_synthetic, render, schema

PACKAGE = Path(histotile.__file__).parent
GROUND = {"errors", "io", "config"}
# Rooms from the ground up: each may import those named here, and the ground.
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "io": set(),
    "config": set(),
    "stats": set(),
    "slides": set(),
    "backbones": set(),
    "tasks": {"stats"},
    "splitting": {"tasks"},
    "trust": set(),
    "aggregation": {"tasks", "stats"},
    "synthetic": {"slides", "tasks"},
    "data": {"slides", "tasks"},
    "tiling": {"slides", "data", "tasks"},
    "heatmaps": {"tasks"},
    "evaluation": {"tasks", "stats", "aggregation"},
    "inference": {"backbones", "tasks", "data", "trust"},
    "training": {"backbones", "tasks", "data", "trust", "stats", "inference"},
    "strategy": {"backbones", "tasks", "data", "stats", "inference", "training"},
    "exports": {"inference"},
    "reports": {
        "aggregation",
        "evaluation",
        "heatmaps",
        "inference",
        "strategy",
        "tasks",
        "trust",
    },
    "checks": {
        "slides",
        "tiling",
        "splitting",
        "backbones",
        "tasks",
        "inference",
        "training",
        "strategy",
    },
}
ALLOWED["stages"] = set(ALLOWED) - GROUND
TOP = {"cli", "__init__", "__main__"}
WITHOUT_TORCH = {
    *("io", "config", "stats", "slides", "splitting", "trust", "aggregation", "tiling"),
    *("heatmaps", "evaluation", "reports"),
}
TORCH_ON_DEMAND = "aggregation/learners/attention.py"  # imported where a slide is learnt by it
MOST_LINES = 250
MOST_FILES = 16  # of a room and of each of its sub-rooms
FLAT = {"cli", "stages", "synthetic/slides"}  # one file a verb; one file a thing that is drawn


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def name(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_rooms_import_in_one_direction() -> None:
    wrong = []
    for path in modules():
        here = room(path)
        ours = {each.split(".")[1] for each in imported(path) if each.startswith("histotile.")}
        ours -= {here, "__version__"}
        if here not in TOP and not ours <= (ALLOWED[here] | GROUND):
            wrong.append(f"{name(path)} may not import {sorted(ours - ALLOWED[here] - GROUND)}")
    assert not wrong


def test_the_ground_imports_no_room_and_the_table_has_no_circle() -> None:
    below = {"errors": set(), "io": {"errors"}, "config": {"errors", "io"}} | {
        here: rooms for here, rooms in ALLOWED.items() if here not in GROUND
    }
    for path in modules():
        if room(path) in GROUND:
            ours = {each.split(".")[1] for each in imported(path) if each.startswith("histotile.")}
            assert ours <= below[room(path)] | {room(path), "__version__"}, name(path)
    seen: set[str] = set()
    while layer := {here for here, rooms in below.items() if here not in seen and rooms <= seen}:
        seen |= layer
    assert seen == set(below)


def test_heavy_libraries_stay_in_their_rooms() -> None:
    for path in modules():
        theirs = {each.split(".")[0] for each in imported(path)}
        assert "openslide" not in theirs or room(path) == "slides", name(path)
        alone = "data/augmentation/transforms.py"  # archived upstream: to be left in a day
        assert "albumentations" not in theirs or name(path) == alone, name(path)
        if room(path) in WITHOUT_TORCH and name(path) != TORCH_ON_DEMAND:
            assert not theirs & {"torch", "timm", "pytorch_lightning"}, name(path)


def test_files_and_rooms_do_not_become_halls() -> None:
    rooms: dict[str, int] = defaultdict(int)
    for path in modules():
        assert path.read_text().count("\n") <= MOST_LINES, name(path)
        rooms[str(path.parent.relative_to(PACKAGE))] += path.name != "__init__.py"
    halls = {here: files for here, files in rooms.items() if files > MOST_FILES}
    assert set(halls) <= FLAT, halls


def test_functions_are_short_and_take_few_arguments() -> None:
    lengths, many = [], []
    for path in modules():
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.FunctionDef):
                lengths.append((node.end_lineno or node.lineno) - node.lineno + 1)
                given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                if len([a for a in given if a.arg not in {"self", "cls"}]) > MOST_ARGUMENTS:
                    many.append(f"{name(path)}:{node.name}")
    lengths.sort()
    assert lengths[len(lengths) // 2] <= 10
    assert lengths[int(0.9 * len(lengths))] <= 30
    assert lengths[-1] <= 60
    assert not [each for each in many if not each.startswith("cli/")]  # a verb has many options


MOST_ARGUMENTS = 6


def test_module_level_holds_only_definitions() -> None:
    allowed = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign)
    for path in modules():
        for node in parsed(path).body:
            docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            tests = {"TYPE_CHECKING", "__name__ == '__main__'"}
            condition = isinstance(node, ast.If) and ast.unparse(node.test) in tests
            loop = isinstance(node, ast.For) and path == PACKAGE / "cli" / "__init__.py"
            assert isinstance(node, allowed) or docstring or condition or loop, name(path)


def test_names_of_modules_say_what_is_in_them() -> None:
    assert not {path.stem for path in modules()} & {"utils", "helpers", "base", "common", "misc"}


def test_learners_start_without_torch() -> None:
    code = "import sys, histotile.aggregation.learners.learn; print(' '.join(sys.modules))"
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    assert not {"torch", "sklearn", "skimage"} & set(loaded)


@pytest.mark.parametrize(
    "module", ["histotile.config", "histotile.config.yaml_file", "histotile.cli"]
)
def test_settings_and_command_line_import_no_heavy_library(module: str) -> None:
    code = f"import sys, {module}; print(' '.join(sys.modules))"
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    assert not {"torch", "openslide", "cv2", "timm", "pandas", "sklearn"} & set(loaded)


def test_config_yaml_schema_and_readme_follow_the_sections(repository: Path) -> None:
    folder = repository / "config"
    config = read_config(folder / "config.yaml")
    made = render(read_synthetic(folder / "synthetic.yaml"))
    remedy = "run `make config`"
    assert (folder / "config.yaml").read_text() == render(config), remedy
    assert (folder / "synthetic.yaml").read_text() == made, remedy
    assert (folder / "schema.json").read_text() == schema(), remedy
    assert (folder / "README.md").read_text() == render_readme(folder), remedy


def test_every_yaml_in_the_repository_loads(repository: Path) -> None:
    tracked = subprocess.check_output(["git", "ls-files", "*.yaml"], cwd=repository, text=True)
    for each in tracked.split():
        assert yaml.safe_load((repository / each).read_text()), each


def test_overlays_give_valid_configurations(repository: Path) -> None:
    for name in ("config.yaml", "demo.yaml"):
        overlay = repository / "config" / name
        assert read_config(repository / "config" / "config.yaml", overlay).classes
