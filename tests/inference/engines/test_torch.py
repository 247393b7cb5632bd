"""The PyTorch engine: what it computes, and that batches do not matter."""

import numpy as np
import pytest
import timm
import torch
from torch import nn

from histotile.inference.engines.torch import TorchEngine, compiled, faster_precision

MEAN, STD = (0.7, 0.6, 0.5), (0.2, 0.1, 0.3)


class ChannelMeans(nn.Module):
    """Mean of each normalised channel, as logits."""

    def forward(self, tiles: torch.Tensor) -> torch.Tensor:
        assert tiles.is_contiguous(memory_format=torch.channels_last)
        return tiles.mean((2, 3))


def test_pixels_are_normalised_per_channel() -> None:
    tiles = np.random.default_rng(0).integers(0, 256, (3, 16, 20, 3), np.uint8)
    logits = TorchEngine(ChannelMeans(), MEAN, STD, "cpu")(tiles)
    expected = ((tiles / 255 - MEAN) / STD).mean((1, 2))
    np.testing.assert_allclose(logits, expected, atol=1e-5)
    assert logits.dtype == np.float32


@pytest.mark.parametrize("name", ["test_efficientnet", "test_resnet", "test_vit"])
def test_batches_do_not_change_logits(name: str) -> None:
    torch.manual_seed(0)
    size = {"img_size": 64} if name == "test_vit" else {}
    network = timm.create_model(name, num_classes=3, **size)
    engine = TorchEngine(network, MEAN, STD, "cpu")
    tiles = np.random.default_rng(0).integers(0, 256, (7, 64, 64, 3), np.uint8)
    alone = np.concatenate([engine(tile[None]) for tile in tiles])
    np.testing.assert_allclose(engine(tiles), alone, atol=1e-5)
    with torch.inference_mode():
        pixels = torch.from_numpy(tiles).permute(0, 3, 1, 2) / 255
        shift, scale = (torch.tensor(v).view(1, 3, 1, 1) for v in (MEAN, STD))
        plain = network((pixels - shift) / scale)
    np.testing.assert_allclose(engine(tiles), plain.numpy(), atol=1e-5)


def test_read_only_tiles_are_taken() -> None:
    tiles = np.zeros((1, 16, 16, 3), np.uint8)
    tiles.flags.writeable = False
    assert TorchEngine(ChannelMeans(), MEAN, STD, "cpu")(tiles).shape == (1, 3)


def test_a_compiled_network_sees_batches_of_one_size(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []

    def recording(network: nn.Module) -> nn.Module:
        network.register_forward_pre_hook(lambda _, given: sizes.append(len(given[0])))
        return network

    monkeypatch.setattr(torch, "compile", recording)  # the real one takes a minute
    tiles = np.random.default_rng(0).integers(0, 256, (7, 16, 16, 3), np.uint8)
    engine = TorchEngine(compiled(ChannelMeans()), MEAN, STD, "cpu")
    plain = TorchEngine(ChannelMeans(), MEAN, STD, "cpu")
    for batch in (tiles[:5], tiles[5:], tiles):
        np.testing.assert_allclose(engine(batch), plain(batch), atol=1e-6)
    assert sizes == [5, 5, 7]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
def test_gpu_agrees_with_the_processor() -> None:
    torch.manual_seed(0)
    network = timm.create_model("resnet18", num_classes=3)
    tiles = np.random.default_rng(0).integers(0, 256, (8, 224, 224, 3), np.uint8)
    cpu = TorchEngine(network, MEAN, STD, "cpu")(tiles)
    np.testing.assert_allclose(TorchEngine(network, MEAN, STD, "cuda")(tiles), cpu, atol=1e-3)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
def test_half_precision_on_a_gpu_stays_close() -> None:
    torch.manual_seed(0)
    network = timm.create_model("resnet18", num_classes=3)
    tiles = np.random.default_rng(0).integers(0, 256, (8, 224, 224, 3), np.uint8)
    full = TorchEngine(network, MEAN, STD, "cuda")(tiles)
    half = TorchEngine(network, MEAN, STD, "cuda", precision=str(faster_precision()))
    np.testing.assert_allclose(half(tiles), full, atol=0.05)
    np.testing.assert_allclose(half(tiles[:3]), full[:3], atol=0.05)
