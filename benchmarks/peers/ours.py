"""Histotile's commands as its users type them."""

import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from peers import rounds

PROGRAM = str(Path(sys.executable).parent / "histotile")
KNOWN = ("--inspection", "inspect.json", "--mask", "mask.png")
Steps = Mapping[str, Sequence[str]]


def steps(slide: Path, *tile: str) -> dict[str, list[str]]:
    """Command lines from a slide to tiles.parquet; `tile` are further words for that verb."""
    return {
        "inspect": [PROGRAM, "inspect", str(slide), "-o", "inspect.json"],
        "mask": [PROGRAM, "mask", str(slide), *KNOWN[:2], "-o", "mask.png"],
        "tile": [PROGRAM, "tile", str(slide), *KNOWN, *tile, "-o", "tiles.parquet"],
    }


def run(commands: Steps, folder: Path) -> tuple[rounds.Spent, dict[str, rounds.Spent]]:
    """What the steps cost together, with what the last one said; and each of them.

    Raises:
        rounds.Failed: One ended with an error.
    """
    spent = {step: rounds.run(words, folder) for step, words in commands.items()}
    *_, last = spent.values()
    together = rounds.Spent(
        sum(s.wall_s for s in spent.values()),
        sum(s.cpu_s for s in spent.values()),
        max(s.peak_mb for s in spent.values()),
        last.output,
        last.messages,
    )
    return together, spent


def profile(commands: Steps) -> None:
    """Run the steps, and print where each spends its time."""
    with tempfile.TemporaryDirectory() as name:
        for command in commands.values():
            profiled = [sys.executable, str(Path(__file__).parent / "profiled.py"), *command[1:]]
            lines = rounds.run(profiled, Path(name), sampled=False).output.splitlines()
            first = max(i for i, line in enumerate(lines) if " s of the processor" in line)
            print("\n".join(lines[first:]), flush=True)
