"""Digests of code and weights: rules carry them as parameters and run again when they change."""

import contextlib
import hashlib
import json
import os
import re
import sys
from functools import cache
from pathlib import Path

from histotile.errors import HistotileError
from histotile.io.atomic import write_json
from histotile.io.names import nearest


@cache
def digest(*modules: str) -> str:
    """12 hex digits that change when the code of these modules changes.

    Covers every module of ours they import, however deep, and what stands in `templates` and
    `viewer` beside them, except the leaves (config, columns, tables and such), which hold names
    rather than computation. Comments, docstrings and messages do not count, see `digest_source`.
    Snakemake does not notice an edit in an imported module; rules carry this as a parameter
    instead.

    Args:
        modules: E.g. "histotile.stages.train".
    """
    hasher, folders = hashlib.sha256(), set[Path]()
    for module, path in sorted(_reachable(modules).items()):
        hasher.update(f"{module} {_meaning(path)}".encode())
        folders.add(path.parent)
    for folder in sorted(folders):
        for kind in ("templates", "viewer"):
            for file in sorted(folder.glob(f"{kind}/*")):
                hasher.update(file.name.encode() + file.read_bytes())
    _keep()
    return hasher.hexdigest()[:12]


_LEAVES = (
    "histotile.io.arrow",
    "histotile.config",
    "histotile.config.values",
    "histotile.config.yaml_file",
    "histotile.io.digests",
    "histotile.errors",
    "histotile.io.code_digest",
    "histotile.io.tables",
    "histotile.io.atomic",
    "histotile.io.progress",
)


def _reachable(modules: tuple[str, ...]) -> dict[str, Path]:
    """All modules of ours that these reach, and where they stand."""
    found: dict[str, Path] = {}
    todo = list(modules)
    while todo:
        module = todo.pop()
        path = _path(module) if module.startswith("histotile") else None
        is_leaf = any(f"{module}.".startswith(f"{leaf}.") for leaf in _LEAVES)
        if path is not None and module not in found and not is_leaf:
            found[module] = path
            todo += _imports(path, path.stat().st_mtime_ns)
    return found


def _meaning(path: Path) -> str:
    """What counts of a module, as a digest.

    Those known from an earlier start are not parsed again: the whole program would take seconds,
    and jobs begin with it.
    """
    source = path.read_bytes()
    key = hashlib.sha256(source).hexdigest()
    if key not in _known():
        from histotile.io.code_digest import digest_source

        _new().add(key)
        _known()[key] = digest_source(source)
    return _known()[key]


@cache
def _known() -> dict[str, str]:
    """What earlier starts have found, from the user's cache; those of this start are added."""
    try:
        known: dict[str, str] = json.loads(_kept().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if len(known) < _MOST_KEPT else {}


_MOST_KEPT = 5000


@cache
def _new() -> set[str]:
    """What of it is of this start, and not written yet."""
    return set()


def _keep() -> None:
    """Writes what this start has found; where nothing can be written, the next finds it again."""
    if _new():
        _new().clear()
        with contextlib.suppress(OSError):
            write_json(_kept(), _known())


def _kept() -> Path:
    """The file of digests; another one for another way to make them."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    made = Path(__file__).with_name("code_digest.py").read_bytes()
    version = hashlib.sha256(made + sys.version.encode()).hexdigest()[:12]
    return Path(base) / "histotile" / f"digests-{version}.json"


_IMPORT = re.compile(rb"^[ \t]*import (histotile[\w.]*)", re.MULTILINE)
_FROM = re.compile(rb"^[ \t]*from (histotile[\w.]*) import (?:\(([^)]*)\)|(.*))", re.MULTILINE)
_NAME = re.compile(rb"(?:^|,)\s*(\w+)")


@cache
def _imports(path: Path, _version: int) -> list[str]:
    """Names of ours that a module imports, at its top or inside a function.

    Found line by line: parsing takes far longer, and light verbs pay it each time.
    """
    source = path.read_bytes()
    names = _IMPORT.findall(source)
    for module, within, behind in _FROM.findall(source):
        names += [module, *(module + b"." + name for name in _NAME.findall(within or behind))]
    return [name.decode() for name in names]


def _path(module: str) -> Path | None:
    base = _package().joinpath(*module.split(".")[1:])
    candidates = (base.with_suffix(".py"), base / "__init__.py")
    return next((p for p in candidates if p.is_file()), None)


def digest_files(folder: Path) -> str:
    """12 hex digits that change when a model or weights in this file or folder change.

    Raises:
        HistotileError: There is no model.
    """
    kinds = ("*.ckpt", "*.onnx", "*.safetensors", "*.bin", "*.pth")
    found = (
        [folder]
        if folder.is_file()
        else sorted(p for k in kinds for p in folder.rglob(k) if p.parent.name != "checkpoints")
    )
    if not found:
        raise HistotileError(folder, "no trained model here", "train first, or mend the path")
    hasher = hashlib.sha256()
    for path in found:
        hasher.update(hashlib.sha256(path.read_bytes()).digest())
    return hasher.hexdigest()[:12]


def digest_weights(weights: str) -> str:
    """12 hex digits that change with a backbone's weights where they are files on this machine.

    Args:
        weights: The setting `backbone.weights`; names on the hub and `none` give "".

    Raises:
        HistotileError: The file or folder is not there.
    """
    place = find_weights(weights)
    return digest_files(place) if place else ""


def weight_files(weights: str) -> list[Path]:
    """The user's files that the setting `backbone.weights` names, also before a rule makes them.

    Of a timm folder its `config.json` and weights; none of shipped weights, the hub and `none`.

    Raises:
        HistotileError: It names neither a file nor a source of weights.
    """
    scheme, colon, name = weights.partition(":")
    if colon and scheme == "local-dir":
        folder = Path(name)
        there = sorted([*folder.glob("*.safetensors"), *folder.glob("*.bin")])
        return [folder / "config.json", *(there or [folder / "model.safetensors"])]
    if not colon and Path(weights).suffix in {".safetensors", ".pth", ".pt", ".bin"}:
        return [Path(weights)]
    place = find_weights(weights)
    return [] if colon or place is None else [place]


def find_weights(weights: str) -> Path | None:
    """The file or folder that the setting `backbone.weights` names; None of the hub and `none`.

    Raises:
        HistotileError: There is none, with what was likely meant.
    """
    scheme, colon, name = weights.partition(":")
    if weights in {"imagenet", "none"} or scheme == "hf-hub":
        return None
    places = {"shipped": _shipped() / name, "local-dir": Path(name)}
    place = places.get(scheme, Path(weights)) if colon else Path(weights)
    if not place.exists():
        raise _lost(weights)
    return place


def _lost(weights: str) -> HistotileError:
    scheme, colon, rest = weights.partition(":")
    path = Path(rest if colon and nearest(scheme, ["local-dir"]) else weights)
    shipped = [f"shipped:{folder.name}" for folder in sorted(_shipped().iterdir())]
    known = ["imagenet", "none", *shipped]
    beside = path.parent.iterdir() if path.parent.is_dir() else ()
    meant = nearest(weights, known) or nearest(path.name, [file.name for file in beside])
    guess = f"did you mean {meant!r}? " if meant else ""
    return HistotileError(
        f"backbone.weights {weights}",
        "there is no such file or folder, nor such a source of weights",
        f"{guess}Give {', '.join(known)}, hf-hub:org/name, local-dir:/folder or a file",
    )


def _shipped() -> Path:
    return _package() / "backbones" / "shipped"


def _package() -> Path:
    return Path(__file__).parents[1]
