"""Python environments of their own for the programs we compare with, kept in `.bench/envs`.

What each holds stands in `<peer>.txt` beside this file: everything, with its version, and nothing
else is installed. The lists hold what was seen to work, which is not always what a peer asks for:
histolab gets a scikit-image (0.20) that need not be compiled and an OpenSlide that brings its
library, WSInfer an older zarr. An environment is made when first asked for (minutes) and again when
its list changes. One that cannot be made costs no benchmark: its rows stay empty and say why.
"""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
BENCH = HERE.parents[1] / ".bench"


class NotMade(Exception):  # noqa: N818 - named after what it says of the environment
    """The environment of a peer could not be made; the message says why."""


def python_of(peer: str) -> Path:
    """The interpreter of a peer's environment.

    Raises:
        NotMade: It could not be installed, now or before with the same list.
    """
    wanted = (HERE / f"{peer}.txt").read_text(encoding="utf-8")
    folder = BENCH / "envs" / peer
    made, failed = folder / "made_of.txt", folder / "failed.txt"
    python = folder / "bin" / "python"
    if _says(made, wanted) and python.exists():
        return python
    if _says(failed, wanted):
        raise NotMade(failed.read_text(encoding="utf-8")[len(wanted) :].strip())
    print(f"installing {peer} into {folder}", flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    install = [str(python), "-m", "pip", "install", "--quiet", "--no-cache-dir", "--no-deps"]
    listed = ["--requirement", str(HERE / f"{peer}.txt")]
    done = subprocess.run([*install, *listed], capture_output=True, text=True)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["pip failed"])[-1]
        failed.write_text(f"{wanted}\n{reason}\n", encoding="utf-8")
        raise NotMade(reason)
    made.write_text(wanted, encoding="utf-8")
    return python


def home_of_wsinfer() -> Path:
    """A home folder in which WSInfer finds an empty list of models, so that it needs no network."""
    home = BENCH / "home"
    registry = home / ".wsinfer-zoo" / "wsinfer-zoo-registry.json"
    registry.parent.mkdir(parents=True, exist_ok=True)
    registry.write_text('{"models": {}}\n', encoding="utf-8")
    return home


def _says(path: Path, wanted: str) -> bool:
    return path.exists() and path.read_text(encoding="utf-8").startswith(wanted)
