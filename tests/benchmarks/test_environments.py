"""An environment that cannot be made says why, and how to try again."""

from pathlib import Path

import pytest
from peers import environments


@pytest.fixture
def listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A list of packages for the peer `some`; pip fails where one is absent."""

    def run(command: list[str]) -> None:
        if "venv" in command:
            (tmp_path / "envs" / "some" / "bin").mkdir(parents=True, exist_ok=True)
            for name in ("made_of.txt", "failed.txt"):  # as --clear does
                (tmp_path / "envs" / "some" / name).unlink(missing_ok=True)
            (tmp_path / "envs" / "some" / "bin" / "python").touch()
        elif "absent" in Path(command[-1]).read_text(encoding="utf-8"):
            raise environments.NotMade("no such package: absent")

    monkeypatch.setattr(environments, "HERE", tmp_path)
    monkeypatch.setattr(environments, "BENCH", tmp_path)
    monkeypatch.setattr(environments, "_succeed", run)
    path = tmp_path / "some.txt"
    path.write_text("numpy==2.0.0\nabsent==1.0\n", encoding="utf-8")
    return path


def test_a_failed_install_is_told_again_until_its_list_changes(listed: Path) -> None:
    with pytest.raises(environments.NotMade, match=r"absent$"):
        environments.python_of("some")
    with pytest.raises(environments.NotMade, match=r"absent .*delete .*envs/some to try again"):
        environments.python_of("some")
    listed.write_text("numpy==2.0.0\n", encoding="utf-8")  # a beginning of the list that failed
    python = environments.python_of("some")
    assert python.exists()
    made = python.stat().st_mtime_ns
    assert environments.python_of("some").stat().st_mtime_ns == made


def test_a_python_that_makes_no_environments_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environments, "BENCH", tmp_path)
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(environments.NotMade, match="venv ended with 1"):
        environments.python_of("readers")
