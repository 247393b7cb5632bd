import base64
import hashlib
from pathlib import Path

import pytest

from histotile.reports import scripts
from histotile.reports.scripts import read_script


def test_the_policy_names_the_very_text() -> None:
    script = read_script("cohort.js")
    digest = base64.b64encode(hashlib.sha256(script.text.encode()).digest()).decode()
    assert script.source == f"'sha256-{digest}'"


@pytest.mark.parametrize("text", ["'</script>'", "x = '</SCRIPT '", "// <!-- hm"])
def test_a_script_that_would_end_its_element_is_refused(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "viewer").mkdir()
    (tmp_path / "viewer/bad.js").write_text(text)
    monkeypatch.setattr(scripts, "files", lambda _: tmp_path)
    with pytest.raises(ValueError, match=r"bad\.js"):
        read_script("bad.js")
