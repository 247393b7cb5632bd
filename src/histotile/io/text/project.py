"""The workflow's own files, and a new project made of them."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from histotile.errors import HistotileError
from histotile.io.atomic import replacing

_PARTS = (
    *("Snakefile", "workflow/rules/*.smk", "workflow/report/*.rst", "profiles/*/config.yaml"),
    *("config/*.yaml", "config/schema.json", "config/README.md"),
)


def source() -> Path:
    """The folder with Snakefile, workflow, config and profiles: of the wheel, or the checkout."""
    packaged = Path(__file__).parents[2] / "project"
    return packaged if packaged.is_dir() else Path(__file__).parents[4]


def list_files(folder: Path) -> Iterator[Path]:
    """The files that make up a project, relative to the folder they lie in."""
    for part in _PARTS:
        yield from (path.relative_to(folder) for path in sorted(folder.glob(part)))


def create(folder: Path) -> list[Path]:
    """Copies Snakefile, workflow, config and profiles into a folder; returns what was written.

    Raises:
        HistotileError: Some of the files are there already; they are named, nothing is written.
    """
    origin = source()
    files = list(list_files(origin))
    taken = [str(file) for file in files if (folder / file).exists()]
    if taken:
        fact = f"these files are there already: {', '.join(taken)}"
        raise HistotileError(
            folder, fact, "name another folder, or move them away; none was touched"
        )
    for file in files:
        with replacing(folder / file) as temporary:
            shutil.copyfile(origin / file, temporary)
    return files
