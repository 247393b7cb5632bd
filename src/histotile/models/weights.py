"""Weights of a backbone from a file, refused unless they fit."""

import pickle
import sys
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from timm.models import load_pretrained
from torch import nn

from histotile.errors import HistotileError


def load_weights(network: nn.Module, path: Path, classes: int) -> None:
    """Fills everything below the head from a .safetensors or .pth file; the file's head is dropped.

    Other layouts than timm's own are translated where timm knows how. Pickled code is never run.

    Raises:
        HistotileError: No such file, not a file of weights, or weights of another network.
    """
    if not path.is_file():
        remedy = (
            "give imagenet, hf-hub:org/name, local-dir:/folder, shipped:natural, a file or none"
        )
        raise HistotileError(f"backbone.weights {path}", "there is no such file", remedy)
    config = {**_config(network), "file": str(path), "num_classes": -1, "source": ""}
    outcome: list[Any] = []
    untyped: Any = network
    hook = untyped.register_load_state_dict_post_hook(lambda _, keys: outcome.append(keys))
    try:
        load_pretrained(network, config, classes, filter_fn=_translator(network), strict=False)
    except (pickle.UnpicklingError, SafetensorError, EOFError) as error:
        raise HistotileError(path, f"not a file of weights alone ({error})", _REMEDY) from error
    except (RuntimeError, KeyError, AttributeError, TypeError, ValueError) as error:
        raise HistotileError(path, f"does not fit the network: {error}", _REMEDY) from error
    finally:
        hook.remove()
    _check(network, path, outcome[-1])


_REMEDY = "check backbone.name and backbone.options against where the weights come from"


def _config(network: nn.Module) -> dict[str, Any]:
    return dict(network.pretrained_cfg)  # type: ignore[arg-type]


def _translator(network: nn.Module) -> Any:
    """Timm's function that renames keys of other layouts, by its custom in the network's module."""
    return getattr(sys.modules[type(network).__module__], "checkpoint_filter_fn", None)


def _check(network: nn.Module, path: Path, keys: Any) -> None:
    named = _config(network).get("classifier") or ()
    heads = (named,) if isinstance(named, str) else tuple(named)
    prefixes = tuple(f"{name}." for name in heads)
    missing = [
        k
        for k in keys.missing_keys
        if not k.startswith(prefixes) and "num_batches_tracked" not in k
    ]
    unexpected = [k for k in keys.unexpected_keys if not k.startswith(prefixes)]
    if missing or unexpected:
        fact = "; ".join(
            f"{len(names)} {word} (e.g. {', '.join(names[:3])})"
            for word, names in (("weights missing", missing), ("unknown weights", unexpected))
            if names
        )
        raise HistotileError(path, f"holds another network: {fact}", _REMEDY)
