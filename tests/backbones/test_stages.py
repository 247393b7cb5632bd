"""Stages on many families of networks: same numbers whole or cut off, and nothing superfluous."""

from typing import Any

import numpy as np
import pytest
import timm
import torch
from torch import Tensor, nn

from histotile.backbones.build import Architecture, body_digest, head, normalisation, rebuild
from histotile.backbones.stages import (
    StageFeatures,
    layer_groups,
    parameters_up_to,
    stages_of,
    truncate,
)
from histotile.backbones.tracing import last_and_maps
from histotile.errors import HistotileError
from histotile.inference.engines.torch import TorchEngine

SMALL = {"img_size": 64, "embed_dim": 48, "num_heads": 3}
FAMILIES: dict[str, dict[str, Any]] = {
    "resnet10t": {},
    "test_efficientnet": {},
    "mobilenetv2_035": {},
    "mobilenetv3_small_050": {},
    "convnext_atto": {"depths": (1, 1, 1, 1), "ls_init_value": 0.5},
    "vit_tiny_patch16_224": {**SMALL, "depth": 8},
    "vit_small_patch14_reg4_dinov2": {**SMALL, "img_size": 56, "depth": 2, "init_values": 0.5},
    "swin_tiny_patch4_window7_224": {
        "img_size": 64,
        "window_size": 4,
        "embed_dim": 24,
        "depths": (1, 2, 1, 1),
    },
    "densenet121": {"growth_rate": 8, "block_config": (2, 2, 2, 2)},
    "lenet5": {"img_size": 64},
    "cnn3": {"img_size": 64, "batch_norm": True},
    "alexnet": {},
}
SLOW = {"mobilenetv2_035", "mobilenetv3_small_050"}  # many small layers
families = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in FAMILIES]
)


def build(name: str) -> nn.Module:
    """A network with random weights, those of its norms and residual branches included."""
    torch.manual_seed(0)
    network: nn.Module = timm.create_model(name, num_classes=3, **FAMILIES[name]).eval()
    with torch.no_grad():
        for key, values in network.state_dict().items():
            if key.endswith("running_var") or (key.endswith("weight") and values.ndim == 1):
                values.uniform_(0.5, 1.5)
    return network


def tiles_for(name: str, tiles: int = 2) -> Tensor:
    torch.manual_seed(1)
    px = FAMILIES[name].get("img_size", 64)
    return torch.randn(tiles, 3, px, px)


@torch.no_grad()
def features(network: nn.Module, tiles: Tensor) -> list[Tensor]:
    staged = network if isinstance(network, StageFeatures) else StageFeatures(network)
    return [torch.from_numpy(part) for part in staged.of_stages(staged(tiles).numpy())]


@families
def test_last_stage_is_what_the_head_sees(name: str) -> None:
    network, tiles = build(name), tiles_for(name)
    found = features(network, tiles)
    with torch.inference_mode():
        torch.testing.assert_close(head(network)(found[-1]), network(tiles))
    assert [len(part[0]) for part in found] == [stage.width for stage in stages_of(network)]
    assert 4 <= len(found) <= 6 or name in ("vit_small_patch14_reg4_dinov2", "lenet5")


@families
def test_early_stages_are_mean_and_deviation_of_the_maps(name: str) -> None:
    network, tiles = build(name), tiles_for(name)
    total = len(network.feature_info)  # type: ignore[arg-type]
    maps: Any = network.forward_intermediates(tiles, intermediates_only=True)  # type: ignore[operator]
    chosen = [maps[k] for k in (range(total) if total <= 6 else (0, 2, 3, 4, 6, 7))]
    for found, part in zip(chosen[:-1], features(network, tiles), strict=False):
        values = found.double().flatten(2)
        expected = torch.cat([values.mean(2), values.std(2, correction=0)], dim=1)
        torch.testing.assert_close(part.double(), expected, atol=1e-5, rtol=1e-4)


@families
def test_cut_off_network_gives_the_same_features_and_holds_nothing_more(name: str) -> None:
    tiles = tiles_for(name)
    whole = features(build(name), tiles)
    for stage in stages_of(build(name))[::2]:
        network = truncate(build(name), [stage.number], 5).eval()
        own = sum(p.numel() for p in head(network).parameters())
        assert sum(p.numel() for p in network.parameters()) - own == stage.weights
        assert own == 5 * (stage.width + 1)
        with torch.inference_mode():
            expected = head(network)(whole[stage.number - 1])
            torch.testing.assert_close(network(tiles), expected, atol=1e-5, rtol=1e-4)
        if stage.number < len(whole):
            with torch.inference_mode():
                again: Tensor = network.forward_features(tiles)  # type: ignore[operator]
            assert torch.equal(again, whole[stage.number - 1])


@families
def test_a_stage_rests_on_its_parameters_alone(name: str) -> None:
    network, tiles = build(name), tiles_for(name)
    rng = np.random.default_rng(0)
    staged = StageFeatures(network)
    before = features(staged, tiles)
    state = {n: v for n, v in network.state_dict(keep_vars=True).items() if v.is_floating_point()}
    for stage in staged.stages[::2]:
        inside = parameters_up_to(network, stage.number)
        own = {n for n, _ in network.named_parameters() if n in inside}
        assert sum(state[n].numel() for n in own) == stage.weights
        for names, moves in ((inside & state.keys(), True), (state.keys() - inside, False)):
            for key in rng.permutation(sorted(names))[:4]:
                after = features_with_noise(staged, tiles, state[key])
                same = torch.equal(after[stage.number - 1], before[stage.number - 1])
                assert same != moves, f"{key} and stage {stage.number}"


@torch.no_grad()
def features_with_noise(network: nn.Module, tiles: Tensor, values: Tensor) -> list[Tensor]:
    kept = values.clone()
    values.add_(torch.rand_like(values) + 0.5)
    found = features(network, tiles)
    values.copy_(kept)
    return found


@families
def test_freezing_spares_the_head_and_what_follows(name: str) -> None:
    network = build(name)
    total = len(stages_of(network))
    heads = {n for n, p in network.named_parameters() if any(p is q for q in own_head(network))}
    before: frozenset[str] = frozenset()
    for stage in range(1, total + 1):
        names = parameters_up_to(network, stage)
        assert before < names
        assert not names & heads
        before = names
    everything = {n for n, _ in network.named_parameters()}
    assert before & everything == everything - heads
    first = parameters_up_to(network, 1)
    for key, _ in network.named_buffers():
        if "running" in key:  # statistics go with the weights of their layer
            assert (key in first) == (f"{key.rpartition('.')[0]}.weight" in first)


def own_head(network: nn.Module) -> list[nn.Parameter]:
    return list(head(network).parameters())


@families
def test_layer_groups_hold_every_parameter_once_and_the_head_alone(name: str) -> None:
    network = build(name)
    groups = layer_groups(network)
    every = [n for group in groups for n in group]
    assert sorted(every) == sorted(n for n, _ in network.named_parameters())
    by_name = dict(network.named_parameters())
    assert {id(by_name[n]) for n in groups[-1]} == {id(p) for p in own_head(network)}
    assert len(groups) >= 4
    first = parameters_up_to(network, 1)
    assert set(groups[0]) <= first or name.startswith("vit")


@families
def test_a_cut_off_network_is_rebuilt_from_its_architecture(name: str) -> None:
    network = truncate(build(name), [1], 4).eval()
    mean, std = normalisation(network)
    again = rebuild(Architecture(name, FAMILIES[name], mean, std, stages=(1,)), 4)
    again.load_state_dict(network.state_dict())
    tiles = tiles_for(name)
    with torch.inference_mode():
        assert torch.equal(again.eval()(tiles), network(tiles))
    assert body_digest(again) == body_digest(network)
    assert normalisation(again) == (mean, std)


def test_features_pass_through_the_engine_and_stay_finite_in_half_precision() -> None:
    network = build("resnet10t")
    with torch.no_grad():
        network.get_parameter("layer1.0.bn1.weight").mul_(1e6)
    staged = StageFeatures(network)
    pixels = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8)
    found = TorchEngine(staged, (0.5,) * 3, (0.2,) * 3, "cpu")(pixels)
    assert np.abs(found).max() == 65504
    assert np.isfinite(found.astype(np.float16)).all()


def test_deviation_of_a_large_constant_is_nothing() -> None:
    staged = StageFeatures(build("resnet10t"))
    with torch.no_grad():
        stem: Any = staged.network.bn1
        stem.weight.zero_()
        stem.bias.fill_(3e4)
        found = staged.of_stages(staged(tiles_for("resnet10t")).numpy())
    mean, deviation = np.split(found[0], 2, axis=1)
    assert mean.min() > 2.9e4
    assert deviation.max() < 1e-2


def test_class_and_register_tokens_do_not_enter_the_mean() -> None:
    network = build("vit_small_patch14_reg4_dinov2")
    tiles = tiles_for("vit_small_patch14_reg4_dinov2")
    patches: Any = network.patch_embed
    blocks: Any = network.blocks
    blocks[0] = nn.Identity()
    with torch.inference_mode():
        expected = network._pos_embed(patches(tiles))[:, 5:].mean(1)  # type: ignore[operator]
    torch.testing.assert_close(features(network, tiles)[0][:, :48], expected, atol=1e-5, rtol=1e-4)


def test_dissecting_leaves_the_network_as_it_is() -> None:
    network = build("mobilenetv2_035").train()
    before = {name: values.clone() for name, values in network.state_dict().items()}
    stages_of(network)
    assert network.training
    assert all(torch.equal(values, before[name]) for name, values in network.state_dict().items())
    assert not any(module._forward_hooks for module in network.modules())
    with torch.inference_mode():
        last, maps = last_and_maps(network.eval(), tiles_for("mobilenetv2_035"), [])
    assert last.shape == (2, 1280) and not maps


def test_stages_that_are_not_there_are_refused() -> None:
    for stage in (0, 6):
        with pytest.raises(HistotileError, match="stages 1 to 5"):
            truncate(build("resnet10t"), [stage], 2)
        with pytest.raises(HistotileError, match="stages 1 to 5"):
            parameters_up_to(build("resnet10t"), stage)
    with pytest.raises(HistotileError, match="intermediate maps"):
        stages_of(nn.Sequential(nn.Linear(2, 2)))
