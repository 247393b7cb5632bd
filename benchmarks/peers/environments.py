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
    listed = HERE / f"{peer}.txt"
    wanted, folder = listed.read_text(encoding="utf-8"), BENCH / "envs" / peer
    tried, failed, python = folder / "made_of.txt", folder / "failed.txt", folder / "bin" / "python"
    if tried.exists() and tried.read_text(encoding="utf-8") == wanted:
        if failed.exists():
            reason = failed.read_text(encoding="utf-8")
            raise NotMade(f"{reason} (tried before; delete {folder} to try again)")
        if python.exists():
            return python
    print(f"installing {peer} into {folder}", flush=True)
    _succeed([sys.executable, "-m", "venv", "--clear", str(folder)])
    install = [str(python), "-m", "pip", "install", "--quiet", "--no-cache-dir", "--no-deps"]
    try:
        _succeed([*install, "--requirement", str(listed)])
    except NotMade as error:
        failed.write_text(str(error), encoding="utf-8")
        tried.write_text(wanted, encoding="utf-8")
        raise
    tried.write_text(wanted, encoding="utf-8")
    return python


def _succeed(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        said = f"{done.stdout}\n{done.stderr}".strip().splitlines()
        raise NotMade(said[-1] if said else f"{command[2]} ended with {done.returncode}")
