"""Weights of a backbone from a file, refused unless they fit."""

import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from histotile.backbones.weight_files import SAVE, read_tensors, roots
from histotile.errors import HistotileError

State = dict[str, Tensor]


def load_weights(network: nn.Module, path: Path) -> None:
    """Fills everything below the head from a .safetensors or .pth file; the file's head is dropped.

    What wrappers and training scripts put before the names (`module.`, `model.`, `backbone.`,
    `teacher.`, ...) is found by the network's own names. Of a student and its teacher the teacher
    is taken, of weights and their moving average the average, of MoCo's two encoders the query's.
    Other layouts than timm's own are translated where timm knows how, and position embeddings are
    resampled to the tile. Pickled code is never run.

    Raises:
        HistotileError: Not a file of weights, weights of another network, only some of them, or
            several networks of which none is known to be the one meant.
    """
    tensors = read_tensors(path)
    found = _fittings(network, tensors)
    fitting = [each for each in found if each.fits]
    if not fitting:
        best = min(found, key=lambda each: each.misfit)
        raise HistotileError(path, best.problem(network), _REMEDY)
    chosen = _choose(path, fitting)
    _check_values(path, chosen.state)
    network.load_state_dict(chosen.state, strict=False)


_REMEDY = "check backbone.name and backbone.options against where the weights come from"
# What trainings put on top of a network, or beside it under the same name.
_HEADS = {
    *("head", "heads", "fc", "classifier", "head_dist", "last_layer", "mlp_head", "projector"),
    *("projection_head", "predictor", "prototypes", "dino_head", "ibot_head", "mask_token"),
    *("decoder_embed", "decoder_blocks", "decoder_norm", "decoder_pred", "decoder_pos_embed"),
}


@dataclass(frozen=True)
class _Fitting:
    """Tensors under one root, renamed as the network wants them, and what does not fit of them."""

    root: str
    state: State
    missing: Sequence[str]
    unknown: Sequence[str]
    reshaped: Sequence[str]

    @property
    def fits(self) -> bool:
        return not self.misfit

    @property
    def misfit(self) -> int:
        return len(self.missing) + len(self.unknown) + len(self.reshaped)

    def problem(self, network: nn.Module) -> str:
        own = network.state_dict()
        shapes = [
            f"{name} {tuple(self.state[name].shape)}, the network {tuple(own[name].shape)}"
            for name in self.reshaped
        ]
        lists = (
            ("weights missing", self.missing),
            ("unknown weights", self.unknown),
            ("weights of other shape", shapes),
        )
        fact = "; ".join(
            f"{len(names)} {word} (e.g. {', '.join(names[:3])})" for word, names in lists if names
        )
        within = f" under {self.root!r}" if self.root else ""
        return f"holds another network{within}, or a part of it: {fact}"


def _fittings(network: nn.Module, tensors: Mapping[str, Tensor]) -> list[_Fitting]:
    """How the tensors under each possible root fit."""
    body = [name for name in network.state_dict() if not _is_head(network, name)]
    return [
        _fit(network, body, root, {k[len(root) :]: t for k, t in tensors.items() if _in(k, root)})
        for root in roots(tensors, max(1, len(body) // 2))
    ]


def _in(name: str, root: str) -> bool:
    return name.startswith(root)


def _fit(network: nn.Module, body: Sequence[str], root: str, given: State) -> _Fitting:
    own = network.state_dict()
    state = _translated(network, given)
    state = {name: tensor for name, tensor in state.items() if not _is_head(network, name)}
    missing = [k for k in body if k not in state and "num_batches_tracked" not in k]
    unknown = [name for name in state if name not in own]
    reshaped = [k for k in body if k in state and state[k].shape != own[k].shape]
    patches = "patch_embed.proj.weight"  # which timm would resample without a word
    sizes = [state_[patches].shape[2:] for state_ in (given, own) if patches in state_]
    if len(sizes) == 2 and sizes[0] and sizes[0] != sizes[1]:
        state[patches], reshaped = given[patches], [patches]
    return _Fitting(root, state, missing, unknown, reshaped)


def _translated(network: nn.Module, given: State) -> State:
    """As timm's function renames the keys of other layouts, by its custom in the same module."""
    translate: Any = getattr(sys.modules[type(network).__module__], "checkpoint_filter_fn", None)
    if translate is None:
        return given
    try:
        found: State = dict(translate(dict(given), network))
    except (RuntimeError, KeyError, AttributeError, TypeError, ValueError, IndexError):
        return given  # of another network, as the names will show
    return found


def _is_head(network: nn.Module, name: str) -> bool:
    named = network.pretrained_cfg.get("classifier") or ()  # type: ignore[operator, union-attr]
    own = (named,) if isinstance(named, str) else tuple(named)
    if name.startswith(tuple(f"{each}." for each in own)):
        return True
    first = name.partition(".")[0]
    return first in _HEADS and not hasattr(network, first)


def _choose(path: Path, fitting: Sequence[_Fitting]) -> _Fitting:
    """The one meant, of those that fit: by custom, where they differ."""
    different: list[_Fitting] = []
    for each in fitting:
        if not any(_equal(each.state, other.state) for other in different):
            different.append(each)
    if len(different) == 1:
        return different[0]
    ranks = [_rank(each.root) for each in different]
    named = ", ".join(f"`{each.root}`" for each in different)
    if ranks.count(max(ranks)) > 1:
        fact = f"holds {len(different)} networks that all fit: {named}"
        raise HistotileError(path, fact, "save the one that is meant alone, under its own names")
    chosen = different[ranks.index(max(ranks))]
    logging.getLogger(__name__).warning(
        "%s holds %s; the weights of `%s` are used", path, named, chosen.root
    )
    return chosen


_PREFERRED = (("ema",), ("teacher",), ("encoder_q", "base_encoder"))
_SECOND = ("student", "encoder_k", "momentum_encoder")


def _rank(root: str) -> int:
    """How likely the weights under this root are those that are meant to be used."""
    parts = root.split(".")
    words = {word for part in parts for word in (part, *part.split("_"))}
    if words & set(_SECOND):
        return -1
    return sum(1 for some in _PREFERRED if words & set(some))


def _equal(first: State, second: State) -> bool:
    return first.keys() == second.keys() and all(
        torch.equal(tensor, second[name]) for name, tensor in first.items()
    )


def _check_values(path: Path, state: State) -> None:
    counters = ("num_batches_tracked", "relative_position_index", "attn_mask")
    for name, tensor in state.items():
        if not tensor.is_floating_point():
            if not name.endswith(counters):
                fact = f"{name} holds {str(tensor.dtype).removeprefix('torch.')}, not fractions"
                raise HistotileError(path, f"{fact}: quantised?", SAVE)
        elif not bool(torch.isfinite(tensor).all()):
            fact = f"{name} holds values that are no finite numbers"
            raise HistotileError(path, fact, "take an earlier state of that training")
