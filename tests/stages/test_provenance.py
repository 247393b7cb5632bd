import subprocess
from pathlib import Path

import pytest

from histotile.config.yaml_file import read_config
from histotile.stages.provenance import (
    count_folds,
    find_commit,
    find_licence,
    gather_run,
    list_versions,
)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository that tracks a package."""
    package = tmp_path / "src"
    package.mkdir()
    (package / "__init__.py").write_text("")
    who = ("-c", "user.name=a", "-c", "user.email=a@b")
    for words in (("init", "-q"), ("add", "."), (*who, "commit", "-qm", "first")):
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True)
    return package


def test_commit_is_marked_where_files_differ(checkout: Path) -> None:
    commit = find_commit(checkout)
    assert commit is not None and len(commit) == 40
    (checkout / "__init__.py").write_text("changed = 1\n")
    assert find_commit(checkout) == commit + "+"


def test_code_installed_inside_another_checkout_has_no_commit(checkout: Path) -> None:
    installed = checkout / "venv"
    installed.mkdir()
    (installed / "__init__.py").write_text("")
    assert find_commit(installed) is None
    assert find_commit(checkout / "absent") is None


def test_folds_count_patients_and_slides(tmp_path: Path) -> None:
    table = tmp_path / "folds.csv"
    rows = ["0,a,P1,,healthy,train", "0,b,P1,,healthy,train", "0,c,P2,,tumour,val"]
    table.write_text("\n".join(["fold,slide_id,patient_id,site,label,role", *rows]) + "\n")
    assert count_folds(table) == {"0": {"train": (1, 2), "val": (1, 1)}}


@pytest.mark.parametrize(
    ("text", "licence"),
    [
        ('{"license": "mit"}', "mit"),
        ('{"pretrained_cfg": {"license": "cc-by-4.0"}}', "cc-by-4.0"),
        ("{}", None),
    ],
)
def test_licence_is_read_beside_the_weights(tmp_path: Path, text: str, licence: str | None) -> None:
    (tmp_path / "config.json").write_text(text)
    assert find_licence(f"local-dir:{tmp_path}") == licence


def test_licence_of_weights_from_the_hub_is_unknown() -> None:
    assert find_licence("imagenet") is None
    assert find_licence("hf-hub:some/model") is None
    assert find_licence("shipped:histology") == "apache-2.0"


def test_versions_name_what_histotile_stands_on() -> None:
    found = list_versions()
    assert {"Python", "histotile", "torch", "openslide-python"} <= set(found)
    assert "pytest" not in found


def test_a_published_backbone_brings_its_licence_and_what_to_mind(
    tmp_path: Path, repository: Path
) -> None:
    config = read_config(repository / "config/config.yaml")
    assert gather_run(tmp_path, config).backbone_doubts == []
    backbone = config.backbone.model_copy(update={"weights": "hf-hub:paige-ai/Virchow2"})
    facts = gather_run(tmp_path, config.model_copy(update={"backbone": backbone}))
    assert facts.backbone_licence is not None and "CC-BY-NC-ND-4.0" in facts.backbone_licence
    assert [doubt.split(" ")[0] for doubt in facts.backbone_doubts] == ["The"]
