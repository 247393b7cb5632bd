"""What a trained model says of itself, read without PyTorch and without its weights."""

import json
import pickletools
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from histotile.config.renamed import STRATEGIES
from histotile.errors import HistotileError
from histotile.inference.onnx_metadata import read_onnx_metadata
from histotile.tasks.registry import AUTO, make_task, options_of, read_task
from histotile.tasks.task import Task
from histotile.trust.taught import Taught

CHECKPOINT = "model.ckpt"
ONNX = "model.onnx"
TIMM = "config.json"
MOST_LOST = 0.1  # share of a slide's tiles that may be unreadable before it is flagged
TRAIN = "train it again with `histotile train`"
_EXPORT = "export it with `histotile export`"


@dataclass(frozen=True)
class ModelMetadata:
    """What a model has learnt, and the tiles it was trained on.

    `classes` are the names of its task, which is of that `kind` with these `options`. Tiles measure
    `tile_px` pixels at `tile_mpp` um/px; `model_id` names the weights, `strategy` how they were
    trained. `taught` recognises slides unlike those trained on; None in models of older make.
    """

    classes: tuple[str, ...]
    tile_mpp: float
    tile_px: int
    model_id: str
    strategy: str
    taught: Taught | None = None
    kind: str = AUTO
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def task(self) -> Task:
        """What it has learnt."""
        return make_task(self.classes, self.kind, self.options)


class _Member(Protocol):
    @property
    def task(self) -> Task: ...
    @property
    def tile_mpp(self) -> float: ...
    @property
    def tile_px(self) -> int: ...


def metadata_of(model: Path) -> ModelMetadata:
    """What a trained model says of itself, by its file or folder as `find_models` names it.

    Raises:
        HistotileError: It is missing, damaged, or no trained model, as a backbone's file is.
    """
    entry = read_metadata(model)
    try:
        return parse_metadata(entry)
    except KeyError as error:
        fact = f"is no trained model: it does not say its {error.args[0]}"
        raise HistotileError(model, fact, "give a fold of results/train or its export") from error


def parse_metadata(entry: Mapping[str, Any]) -> ModelMetadata:
    """The facts in what `TrainedModel.metadata` gave; raises KeyError where some are missing."""
    task = read_task(entry)
    return ModelMetadata(
        classes=task.names,
        kind=task.kind,
        options=options_of(task),
        tile_mpp=float(entry["tile_mpp"]),
        tile_px=int(entry["tile_px"]),
        model_id=str(entry["model_id"]),
        strategy=parse_strategy(entry),
        taught=parse_taught(entry),
    )


def parse_strategy(entry: Mapping[str, Any]) -> str:
    """How the model was trained, in today's word."""
    word = str(entry["strategy"])
    return STRATEGIES.get(word, word)


def parse_taught(entry: Mapping[str, Any]) -> Taught | None:
    """What recognises slides unlike those trained on; None where the facts are of older make."""
    found = entry.get("taught")
    return Taught.from_json(found) if found else None


def read_metadata(model: Path) -> dict[str, Any]:
    """What a model's file or folder says of it, as `find_models` names it.

    Raises:
        HistotileError: It is missing, damaged, or histotile did not write it.
    """
    if model.is_dir():
        return _of_timm_folder(model)
    return read_onnx_metadata(model) if model.suffix == ".onnx" else _of_checkpoint(model)


def _of_checkpoint(path: Path) -> dict[str, Any]:
    """A .ckpt is a ZIP file whose data.pkl holds the facts as text; nothing of it is executed."""
    try:
        with zipfile.ZipFile(path) as archive:
            (name,) = (n for n in archive.namelist() if n.endswith("/data.pkl"))
            steps = pickletools.genops(archive.read(name))
        words = [word for _, word, _ in steps if isinstance(word, str)]
        found: dict[str, Any] = json.loads(words[words.index("facts") + 1])
    except (OSError, zipfile.BadZipFile) as error:
        raise HistotileError(path, f"not a readable model ({error})", TRAIN) from error
    except (ValueError, IndexError) as error:
        raise HistotileError(path, "histotile did not write this model", TRAIN) from error
    return found


def _of_timm_folder(folder: Path) -> dict[str, Any]:
    try:
        config = json.loads((folder / TIMM).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise HistotileError(folder, f"not a model folder ({error})", _EXPORT) from error
    if "histotile" not in config:
        fact = "config.json has no `histotile` section with classes, tile_mpp and tile_px"
        raise HistotileError(folder, fact, _EXPORT)
    found: dict[str, Any] = config["histotile"]
    return found


def find_models(path: Path) -> list[Path]:
    """All models below a path: .ckpt and .onnx files, and folders of timm.

    Args:
        path: A folder of folds, one fold's folder, a file, or the folder of an export.

    Raises:
        HistotileError: There is no model.
    """
    if path.is_file():
        return [path]
    for name in (CHECKPOINT, TIMM, ONNX):
        if (path / name).is_file():
            return [path if name == TIMM else path / name]
    found = sorted(path.glob(f"*/{CHECKPOINT}"), key=_fold_order)
    if not found:
        fact = f"there is neither {CHECKPOINT}, {ONNX}, {TIMM}, nor a folder of folds here"
        raise HistotileError(path, fact, "give results/train, one fold of it, or an exported model")
    return found


def check_agreement(models: Sequence[_Member], names: Sequence[str]) -> None:
    """Raises HistotileError unless all models share task, tile_mpp and tile_px."""
    for model, name in zip(models[1:], names[1:], strict=True):
        for what in ("task", "tile_mpp", "tile_px"):
            ours, theirs = getattr(models[0], what), getattr(model, what)
            if ours != theirs:
                fact = f"has {what} {theirs}, but {names[0]} has {ours}"
                raise HistotileError(name, fact, "use models of one training run together")


def _fold_order(file: Path) -> tuple[int, str]:
    name = file.parent.name
    number = re.search(r"\d+$", name)  # fold10 comes after fold9
    return (int(number.group()) if number else -1, name)
