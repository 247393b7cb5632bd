"""WSInfer's program, without network and GPU."""

import tempfile
from pathlib import Path

from peers import environments, rounds

OFFLINE = {"HF_HUB_OFFLINE": "1", "WSINFER_FORCE_CPU": "1"}


def run(python: Path, slide: Path, out: Path, *words: str | Path) -> rounds.Spent:
    """`wsinfer` with these words, on a folder with the slide alone.

    Raises:
        rounds.Failed: It ended with an error.
    """
    verb, *options = words
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / slide.name).symlink_to(slide)
        command = [python.parent / "wsinfer", verb, "-i", name, "-o", out, *options]
        surroundings = {**OFFLINE, "HOME": str(_home()), "OMP_NUM_THREADS": "2"}
        return rounds.run(command, out.parent, surroundings)


def _home() -> Path:
    """A home folder in which it finds an empty list of models, so that it needs no network."""
    home = environments.BENCH / "home"
    registry = home / ".wsinfer-zoo" / "wsinfer-zoo-registry.json"
    registry.parent.mkdir(parents=True, exist_ok=True)
    registry.write_text('{"models": {}}\n', encoding="utf-8")
    return home
