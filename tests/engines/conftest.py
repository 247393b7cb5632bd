"""One small network for every engine."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from numpy.typing import NDArray
from torch import nn

from histotile.engines.torch import TorchEngine
from histotile.models.backbones import Architecture
from histotile.models.onnx_writer import Graph, write_onnx

MEAN, STD = (0.7, 0.6, 0.5), (0.2, 0.1, 0.3)


@pytest.fixture(scope="session", params=["test_efficientnet", "test_vit"])
def network(request: pytest.FixtureRequest) -> nn.Module:
    """A network of random weights whose three logits differ from tile to tile."""
    torch.manual_seed(0)
    size = {"img_size": 64} if request.param == "test_vit" else {}
    made: nn.Module = timm.create_model(request.param, num_classes=3, **size).eval()
    with torch.no_grad():
        made.get_classifier().weight.normal_()  # type: ignore[operator]
    return made


@pytest.fixture(scope="session")
def file(network: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The network as ONNX."""
    path = tmp_path_factory.mktemp("network") / "model.onnx"
    write_onnx(path, Graph(network, Architecture("any", {}, MEAN, STD), 64), {})
    return path


@pytest.fixture(scope="session")
def by_torch(network: nn.Module) -> Callable[..., TorchEngine]:
    """The network by PyTorch, in a precision."""

    def make(precision: str = "float32") -> TorchEngine:
        return TorchEngine(network, MEAN, STD, "cpu", precision=precision)

    return make


@pytest.fixture(scope="session")
def tiles() -> NDArray[np.uint8]:
    """Thirteen smooth coloured tiles (13, 64, 64, 3)."""
    coarse = np.random.default_rng(0).integers(0, 256, (13, 8, 8, 3), np.uint8)
    return np.ascontiguousarray(coarse.repeat(8, 1).repeat(8, 2))
