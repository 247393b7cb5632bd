"""The wheel: what it holds, and a project set up and run by what it installs."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import pytest
import yaml

from histotile.io.text.project import list_files

pytestmark = pytest.mark.slow
SETTINGS = {
    "cohort": "slides.csv",
    "backbone": {"name": "auto", "weights": "shipped:histology"},
    "tile": {"tile_px": 96, "stride_px": 96},
    "split": {"folds": 2},
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    """Built without fetching anything."""
    folder = tmp_path_factory.mktemp("wheel")
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder))
    pip(repository, "wheel", *options, str(repository))
    (found,) = folder.glob("*.whl")
    return found


def pip(folder: Path, *words: str) -> None:
    subprocess.run([sys.executable, "-m", "pip", *words], cwd=folder, check=True)


def test_it_holds_the_package_the_workflow_and_the_viewers_library(
    wheel: Path, repository: Path
) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    tracked = subprocess.check_output(["git", "ls-files", "src"], cwd=repository, text=True)
    expected = {name.removeprefix("src/") for name in tracked.split()}
    expected |= {f"histotile/project/{file}" for file in list_files(repository)}
    expected |= {
        "histotile/reports/viewer/openseadragon.min.js",
        "histotile/reports/openseadragon.LICENSE.txt",
    }
    assert {name for name in names if ".dist-info/" not in name} == expected
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_a_project_that_it_sets_up_runs(wheel: Path, tmp_path: Path) -> None:
    site, project = tmp_path / "site", tmp_path / "project"
    pip(tmp_path, "install", "--quiet", "--no-deps", "--target", str(site), str(wheel))
    paths = {"PYTHONPATH": str(site), "PATH": f"{site / 'bin'}{os.pathsep}{os.environ['PATH']}"}

    def run(*words: str, folder: Path = project) -> str:
        done = subprocess.run(
            words, cwd=folder, env=os.environ | paths, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-6000:]
        return done.stdout + done.stderr

    run("histotile", "init", str(project), folder=tmp_path)
    few = [f"{key}={n}" for key, n in (("slides", 8), ("patients", 8), ("side_px", 512))]
    run("histotile", "synthesize", ".", *(word for change in few for word in ("--set", change)))
    (project / "mine.yaml").write_text(yaml.safe_dump(SETTINGS))
    snakemake = ("snakemake", "--configfile", "config/config.yaml", "mine.yaml", "--cores", "2")
    assert "report_slide" in run(*snakemake, "--dry-run")  # all of it can be planned
    run(*snakemake, "results/embed/slide_001.h5")
    with h5py.File(project / "results/embed/slide_001.h5") as features:
        assert len(features["coords"]) > 0
    code = "from histotile.reports.rendering import viewer_scripts as v; print(v()[0].text[:99])"
    assert "openseadragon" in run(sys.executable, "-c", code)
    assert str(site) in run(sys.executable, "-c", "import histotile; print(histotile.__file__)")
