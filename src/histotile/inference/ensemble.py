"""Trained models ready to predict, each by the engine that fits this machine best."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from histotile.config import Engine as EngineSettings
from histotile.errors import HistotileError
from histotile.inference.engines.engine import Engine
from histotile.inference.engines.hardware import has_gpu, installed
from histotile.inference.model_metadata import (
    ONNX,
    ModelMetadata,
    check_agreement,
    find_models,
    metadata_of,
    parse_metadata,
    read_metadata,
)
from histotile.inference.onnx_metadata import torch_only

if TYPE_CHECKING:
    from histotile.inference.checkpoint import TrainedModel

Make = Callable[[str], Engine]


@dataclass(frozen=True)
class Member:
    """A trained model of an ensemble.

    Attributes:
        facts: Its classes and tiles.
        make: The engine that computes in a precision; the same one when asked again.
        reduced: The 16-bit floats in which this machine is faster; None: there are none, or they
            are not wanted.
        note: Why PyTorch runs it where another engine was to; "" if all is as wanted.
    """

    facts: ModelMetadata
    make: Make
    reduced: str | None = None
    note: str = ""


@dataclass(frozen=True)
class Ensemble:
    """Models that judge together: the mean of their probabilities counts.

    Attributes:
        members: At least one; all of the same classes, tile_mpp and tile_px.
        max_difference: Largest difference of probabilities that 16-bit floats may make.
    """

    members: Sequence[Member]
    max_difference: float

    @property
    def facts(self) -> ModelMetadata:
        """Of the first member, in which the others agree but for the name of their weights."""
        return self.members[0].facts

    @property
    def model_ids(self) -> list[str]:
        """What names the weights, member by member."""
        return [member.facts.model_id for member in self.members]

    @property
    def reduced(self) -> str | None:
        """The 16-bit floats in which all members are faster; None: in none."""
        found = {member.reduced for member in self.members}
        return found.pop() if len(found) == 1 else None

    @property
    def notes(self) -> list[str]:
        """Why PyTorch runs members that another engine was to run."""
        return sorted({member.note for member in self.members if member.note})

    def engines(self, precision: str = "float32") -> list[Engine]:
        """Each member's engine; the same ones when asked again."""
        return [member.make(precision) for member in self.members]

    def prepare(self) -> None:
        """Make all engines now rather than when the first tiles come: it takes seconds."""
        for precision in ("float32", self.reduced or "float32"):
            self.engines(precision)


def load_members(
    models: Sequence[Path], settings: EngineSettings, threads: int | None = None
) -> Ensemble:
    """All models below these paths, as `find_models` finds them, ready to predict.

    ONNX engines run model.onnx beside model.ckpt if it is of the same weights; PyTorch, which takes
    seconds to import, runs what they cannot.

    Args:
        models: Folders of folds, folds, files or exported models.
        settings: Section `engine`.
        threads: Of the processor, for the networks; None leaves the engine's choice.

    Raises:
        HistotileError: No model there, a damaged one, members that differ, or an engine that is
            not installed.
    """
    files = [file for path in models for file in find_models(path)]
    name = choose_engine(settings.name)
    members = [_member(file, name, settings, threads) for file in files]
    check_agreement([member.facts for member in members], [str(file) for file in files])
    return Ensemble(members, settings.max_difference)


def choose_engine(name: str) -> str:
    """The engine meant: `auto` is PyTorch on a GPU, else OpenVINO, ONNX Runtime, or PyTorch.

    Raises:
        HistotileError: The one asked for is not installed.
    """
    if name == "auto":
        if has_gpu() and _torch_sees_it():
            return "torch"
        return next((each for each in ("openvino", "onnxruntime") if _works(each)), "torch")
    if name != "torch" and not _works(name):
        raise HistotileError(
            "engine.name", f"{name} does not run here", "install it, or take `auto`"
        )
    return name


def open_onnx(file: Path, name: str, threads: int | None, precision: str = "float32") -> Engine:
    """An engine for an ONNX file.

    Raises:
        HistotileError: The engine cannot run it.
    """
    from histotile.inference.engines.onnxruntime import OnnxRuntimeEngine
    from histotile.inference.engines.openvino import OpenVinoEngine

    try:
        if name == "openvino":
            return OpenVinoEngine(file, threads, precision)
        return OnnxRuntimeEngine(file, threads)
    except RuntimeError as error:
        reason = (str(error).strip().splitlines() or ["no reason given"])[-1]
        fact = f"{name} cannot run it ({reason})"
        raise HistotileError(file, fact, "set engine.name to torch") from error


def readers_for(engine: Engine) -> int:
    """Threads that read tiles: one beside the network's would do on a processor, not for a GPU."""
    return 2 if engine.device == "cpu" else 4


def batch_for(engine: Engine) -> int:
    """Tiles at once: all of them are as fast on a processor, and fewer take less memory."""
    if engine.device != "cpu":
        return 128
    return 8 if engine.name == "torch" else 16


def member_of(
    model: "TrainedModel", settings: EngineSettings, threads: int | None = None
) -> Member:
    """A trained model by PyTorch."""
    from histotile.backbones.stages import WithFeatures
    from histotile.inference.engines.torch import TorchEngine, compiled, faster_precision

    both = WithFeatures(model.network)
    network = compiled(both) if settings.compile else both

    @cache
    def make(precision: str) -> Engine:
        return TorchEngine(network, model.mean, model.std, threads=threads, precision=precision)

    reduced = faster_precision() if settings.precision == "auto" else None
    return Member(parse_metadata(model.metadata()), make, reduced)


def _member(file: Path, name: str, settings: EngineSettings, threads: int | None) -> Member:
    facts = metadata_of(file)
    onnx, lacking = _onnx_of(file, facts.model_id)
    if name == "torch" and file.suffix == ".onnx" and settings.name == "auto":
        name = "openvino" if _works("openvino") else "onnxruntime"
    if name != "torch" and onnx is not None:
        return _onnx_member(facts, onnx, name, settings, threads)
    if file.suffix == ".onnx":
        fact = lacking or "PyTorch, which engine.name asks for, does not run ONNX files"
        raise HistotileError(file, fact, "give the model.ckpt it was made from")
    from histotile.inference.checkpoint import load_model

    member = member_of(load_model(file), settings, threads)
    if name == "torch":
        return member
    return Member(facts, member.make, member.reduced, f"PyTorch runs {file}: {lacking}")


def _onnx_member(
    facts: ModelMetadata, onnx: Path, name: str, settings: EngineSettings, threads: int | None
) -> Member:
    from histotile.inference.engines.openvino import computes_in_bf16

    @cache
    def make(precision: str) -> Engine:
        return open_onnx(onnx, name, threads, precision)

    faster = name == "openvino" and settings.precision == "auto" and computes_in_bf16()
    return Member(facts, make, "bfloat16" if faster else None)


def _onnx_of(file: Path, model_id: str) -> tuple[Path | None, str]:
    """The ONNX file of a model, or None and why there is none to use."""
    onnx = file if file.suffix == ".onnx" else file.parent / ONNX
    if file.is_dir():
        return None, "a timm folder has no ONNX file"
    if not onnx.is_file():
        return None, f"there is no {ONNX} beside it"
    facts = read_metadata(onnx)
    if facts.get("model_id") != model_id:
        return None, f"{ONNX} beside it is of other weights"
    reason = torch_only(facts)
    return (None, reason) if reason else (onnx, "")


def _torch_sees_it() -> bool:
    import torch

    return torch.cuda.is_available()


def _works(name: str) -> bool:
    if not installed(name):
        return False
    if name == "openvino":
        from histotile.inference.engines.openvino import import_openvino

        try:
            import_openvino()
        except ImportError:
            return False
    return True
