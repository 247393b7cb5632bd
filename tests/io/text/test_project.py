"""A new project made of the workflow's files."""

import subprocess
from pathlib import Path

import pytest

from histotile.errors import HistotileError
from histotile.io.text import project


def test_a_project_holds_every_file_of_the_workflow_as_it_is_here(
    tmp_path: Path, repository: Path
) -> None:
    written = project.create(tmp_path / "mine")
    places = ("Snakefile", "workflow", "config", "profiles")
    tracked = subprocess.check_output(["git", "ls-files", *places], cwd=repository, text=True)
    assert sorted(map(str, written)) == sorted(tracked.split())
    for file in written:
        assert (tmp_path / "mine" / file).read_bytes() == (repository / file).read_bytes()


def test_files_that_are_there_are_named_and_nothing_is_written(tmp_path: Path) -> None:
    taken = tmp_path / "config/config.yaml"
    taken.parent.mkdir()
    taken.write_text("mine: true\n")
    (tmp_path / "slides.csv").touch()  # other files are no obstacle
    with pytest.raises(HistotileError, match=r"(?s)config/config\.yaml.*another folder") as error:
        project.create(tmp_path)
    assert "Snakefile" not in str(error.value)
    assert taken.read_text() == "mine: true\n"
    assert not (tmp_path / "Snakefile").exists()
