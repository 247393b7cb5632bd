"""How a run was made, read from its folder and from the code that stands here."""

import hashlib
import json
import platform
import re
import subprocess
from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

import histotile
from histotile.backbones.foundation.lookup import doubts, licence_of
from histotile.config import Config
from histotile.io.digests import digest
from histotile.reports.run_facts import RunFacts

PACKAGE = Path(histotile.__file__).parent


def gather_run(results: Path, config: Config) -> RunFacts:
    """Settings, folds, models and code of the run in this folder; what is not there is empty."""
    folds, backbone = results / "split/folds.csv", config.backbone
    return RunFacts(
        settings=config.model_dump(),
        settings_digest=_short(config.model_dump_json().encode()),
        commit=find_commit(PACKAGE),
        code=digest("histotile.cli"),
        models=[_json(p) for p in sorted((results / "train").glob("fold*/summary.json"))],
        folds=count_folds(folds) if folds.is_file() else {},
        split_digest=_short(folds.read_bytes()) if folds.is_file() else None,
        backbone_licence=licence_of(backbone.name, backbone.weights)
        or find_licence(backbone.weights),
        backbone_doubts=[
            f"{'The backbone' if where == 'backbone' else where}: {fact}"
            for where, fact in doubts(backbone, config.tile.mpp).items()
        ],
        written=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def find_commit(folder: Path) -> str | None:
    """The commit of the checkout this folder of code belongs to, "+" behind it if files differ.

    None where it belongs to none, also if it lies, installed, inside a checkout of something else.
    """
    if _git(folder, "ls-files", "--error-unmatch", "__init__.py") is None:
        return None
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return None
    return commit + ("+" if _git(folder, "status", "--porcelain", "--", ".") else "")


def count_folds(table: Path) -> dict[str, dict[str, tuple[int, int]]]:
    """Fold -> role -> (patients, slides), from a fold table."""
    from histotile.splitting.fold_table import read_folds

    columns = read_folds(table)
    members: dict[tuple[str, str], list[str]] = defaultdict(list)
    for fold, role, patient in zip(
        columns["fold"], columns["role"], columns["patient_id"], strict=True
    ):
        members[str(fold), role].append(patient)
    found: dict[str, dict[str, tuple[int, int]]] = defaultdict(dict)
    for (fold, role), patients in members.items():
        found[fold][role] = (len(set(patients)), len(patients))
    return dict(sorted(found.items(), key=lambda item: (len(item[0]), item[0])))


def find_licence(weights: str) -> str | None:
    """The licence that the config.json beside a backbone's weights names; None if none is known.

    Args:
        weights: The setting `backbone.weights`.
    """
    scheme, _, name = weights.partition(":")
    folders = {"shipped": PACKAGE / "backbones/shipped" / name, "local-dir": Path(name)}
    path = folders.get(scheme, Path()) / "config.json"
    if scheme not in folders or not path.is_file():
        return None
    config = _json(path)
    licence = config.get("license") or config.get("pretrained_cfg", {}).get("license")
    return str(licence) if licence else None


def list_versions() -> dict[str, str]:
    """Version of Python and of every library that histotile asks for, by name."""
    asked = [line for line in requires("histotile") or [] if "extra ==" not in line]
    names = {re.split(r"[ \[;<>=!~(]", line)[0] for line in asked}
    found = {"Python": platform.python_version(), "histotile": histotile.__version__}
    for name in sorted(names, key=str.lower):
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # not needed on this kind of machine
            continue
    return found


def _git(folder: Path, *words: str) -> str | None:
    """What git says; None where there is no git, or it refuses."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _short(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


def _json(path: Path) -> Mapping[str, Any]:
    data: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return data
