"""Batch norm statistics: re-measured, or given back to a network that lost them."""

from collections.abc import Callable
from pathlib import Path

import pytest
import timm
import torch
from torch import Tensor, nn

from histotile.backbones.batch_norm import adapt, are_folded, batch_norms, unfold
from histotile.backbones.build import build_network
from histotile.config import Backbone


def tiles(number: int = 64) -> Tensor:
    torch.manual_seed(0)
    return torch.randn(number, 3, 64, 64) * torch.rand(number, 3, 1, 1) + 2


def taught(name: str) -> nn.Module:
    """A network with statistics and weights that are not those of the start."""
    torch.manual_seed(1)
    network: nn.Module = timm.create_model(name, num_classes=2)
    for layer in batch_norms(network):
        for values in (layer.weight, layer.running_var):
            nn.init.uniform_(values, 0.5, 1.5)  # type: ignore[arg-type]
        for values in (layer.bias, layer.running_mean):
            nn.init.uniform_(values, -0.3, 0.3)  # type: ignore[arg-type]
    return network.eval()


def folded(name: str) -> nn.Module:
    """The same function as `taught`, its statistics worked into weight and bias."""
    network = taught(name)
    with torch.no_grad():
        for layer in batch_norms(network):
            assert layer.running_mean is not None
            assert layer.running_var is not None
            slope = layer.weight / torch.sqrt(layer.running_var + layer.eps)
            layer.bias.sub_(slope * layer.running_mean)
            layer.weight.copy_(slope)
            layer.running_mean.zero_()
            layer.running_var.fill_(1 - layer.eps)
    return network


def passing(network: nn.Module, batches: Tensor, size: int = 16) -> Callable[[], None]:
    def run() -> None:
        with torch.no_grad():
            for batch in torch.split(batches, size):
                network(batch)

    return run


@pytest.mark.parametrize("name", ["test_resnet", "test_efficientnet", "mobilenetv3_small_050"])
def test_a_folded_network_gets_statistics_and_computes_the_same(name: str) -> None:
    network, seen = folded(name), tiles()
    assert are_folded(network)
    assert not are_folded(taught(name))
    with torch.no_grad():
        before = network(seen)
        unfold(network, passing(network, seen))
        torch.testing.assert_close(network(seen), before, rtol=1e-3, atol=1e-3)
        assert not are_folded(network)
        # The statistics are those of the tiles: training mode computes the same, too.
        network.train()
        for module in network.modules():
            if isinstance(module, nn.Dropout):
                module.eval()
        spread = before.std() + 1e-3
        assert (network(seen) - before).abs().max() < 0.05 * spread


def test_without_unfolding_training_mode_computes_something_else() -> None:
    network, seen = folded("test_resnet"), tiles()
    with torch.no_grad():
        before = network(seen)
        off = (network.train()(seen) - before).abs().max()
    assert off > 0.5 * before.std()


def test_adapted_statistics_are_those_of_the_tiles() -> None:
    network, seen = taught("test_resnet"), tiles()
    weights = {n: p.clone() for n, p in network.named_parameters()}
    first = batch_norms(network)[0]
    inputs: list[Tensor] = []
    hook = first.register_forward_pre_hook(lambda _, values: inputs.append(values[0]))
    adapt(network, passing(network, seen))
    hook.remove()
    values = torch.cat(inputs)
    torch.testing.assert_close(first.running_mean, values.mean((0, 2, 3)), rtol=1e-3, atol=1e-3)
    within = torch.stack([part.var((0, 2, 3)) for part in torch.split(values, 16)]).mean(0)
    torch.testing.assert_close(first.running_var, within, rtol=1e-3, atol=1e-3)
    assert int(first.num_batches_tracked or 0) == 4  # the plain average over four batches
    assert all(layer.momentum == 0.1 and not layer.training for layer in batch_norms(network))
    assert all(torch.equal(weights[n], p) for n, p in network.named_parameters())


def test_networks_without_batch_norm_pass_untouched() -> None:
    network = timm.create_model("test_vit", num_classes=2, img_size=64)
    before = {n: v.clone() for n, v in network.state_dict().items()}
    assert not are_folded(network)
    adapt(network, passing(network, tiles(4)))
    assert all(torch.equal(before[n], v) for n, v in network.state_dict().items())


def test_the_real_folded_weights_are_recognised_and_kept_alive(shared_data: Path) -> None:
    file = shared_data / "weights" / "mobilenetv2_100_in1k_from_coral_qat_uint8.pth"
    if not file.is_file():
        pytest.skip(f"{file.name} is not here")
    backbone = Backbone(
        name="mobilenetv2_100", weights=str(file), domain="natural", options={"pad_type": "same"}
    )
    network, _ = build_network(backbone, 2, 64)
    assert are_folded(network)
    seen = tiles(32)
    with torch.no_grad():
        before = network.eval()(seen)
        unfold(network, passing(network, seen))
        torch.testing.assert_close(network(seen), before, rtol=0.01, atol=0.01 * before.std())
