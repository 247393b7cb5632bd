"""Digests of code and weights: rules carry them as parameters and run again when they change."""

import hashlib
import re
from functools import cache
from pathlib import Path

from histotile.errors import HistotileError
from histotile.names import nearest


@cache
def digest(*modules: str) -> str:
    """12 hex digits that change when the code of these modules changes.

    Covers every module of ours they import, however deep, and what stands in `templates` and
    `viewer` beside them, except the leaves (config, columns, tables and such), which hold names
    rather than computation. Snakemake does not notice an edit in an imported module; rules carry
    this as a parameter instead.
    """
    hasher = hashlib.sha256()
    found = sorted(_reachable(modules))
    for name in found:
        hasher.update(name.encode() + _source(name))
    folders = {path.parent for path in map(_path, found) if path}
    for folder in sorted(folders):
        for kind in ("templates", "viewer"):
            for part in sorted(folder.glob(f"{kind}/*")):
                hasher.update(part.name.encode() + part.read_bytes())
    return hasher.hexdigest()[:12]


_LEAVES = {
    "histotile.columns",
    "histotile.cohort",
    "histotile.config",
    "histotile.configfile",
    "histotile.digests",
    "histotile.errors",
    "histotile.tables",
    "histotile.writing",
}


def _reachable(modules: tuple[str, ...]) -> set[str]:
    found: set[str] = set()
    todo = list(modules)
    while todo:
        name = todo.pop()
        path = _path(name)
        if name not in found and name not in _LEAVES and path is not None:
            found.add(name)
            todo += _imports(path, path.stat().st_mtime_ns)
    return found


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
    base = Path(__file__).parent.joinpath(*module.split(".")[1:])
    candidates = (base.with_suffix(".py"), base / "__init__.py")
    return next((p for p in candidates if p.is_file()), None)


def _source(module: str) -> bytes:
    path = _path(module)
    return path.read_bytes() if path else b""


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
    return Path(__file__).parent / "models" / "backbones_shipped"
