"""The random twin: other weights, batch norm of the cohort, features that tell something."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from histotile.backbones.batch_norm import batch_norms
from histotile.backbones.build import body_digest, build_network
from histotile.backbones.stages import StageFeatures
from histotile.config import Backbone
from histotile.inference.engines.torch import TorchEngine
from histotile.strategy.baselines.random_init import calibrate, random_twin


def backbone(name: str) -> Backbone:
    return Backbone(name=name, weights="none", domain="auto", options={})


def pale_tiles(count: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Nearly white tiles; every other one is a little redder, on average."""
    rng = np.random.default_rng(0)
    labels = np.arange(count) % 2
    pixels = 225.0 + rng.integers(-2, 3, (count, 16, 16, 3)).repeat(4, 1).repeat(4, 2)
    pixels[..., 0] += 2 * labels[:, None, None]
    pixels += rng.normal(0, 1, (count, 1, 1, 3))
    return np.clip(pixels, 0, 255).astype(np.uint8), labels


def auroc(features: NDArray[np.float16], labels: NDArray[np.int64]) -> float:
    """Of a logistic head with L2 = 1, learnt on one half, on the other half."""
    half = len(labels) // 2
    values = features.astype(np.float32)
    head = LogisticRegression(max_iter=2000).fit(values[:half], labels[:half])
    return float(roc_auc_score(labels[half:], head.decision_function(values[half:])))


def test_features_of_the_calibrated_twin_tell_colours_apart() -> None:
    network, architecture = build_network(backbone("test_efficientnet"), 2, 64)
    twin = random_twin(network, architecture, 0)
    stages = StageFeatures(twin)
    engine = TorchEngine(stages, architecture.mean, architecture.std, device="cpu")
    tiles, labels = pale_tiles(200)
    before = stages.of_stages(engine(tiles).astype(np.float16))[-1]
    order = np.random.default_rng(0).permutation(len(tiles))
    calibrate(twin, engine, [tiles[part] for part in np.array_split(order, 4)])
    after = stages.of_stages(engine(tiles).astype(np.float16))[-1]
    assert auroc(before, labels) < 0.6
    assert auroc(after, labels) > 0.7
    assert before.std(axis=0).mean() < 1e-3
    assert after.std(axis=0).mean() > 0.05


def test_every_layer_of_the_calibrated_twin_gives_unit_activations() -> None:
    network, architecture = build_network(backbone("resnet18"), 2, 64)
    twin = random_twin(network, architecture, 0)
    engine = TorchEngine(StageFeatures(twin), architecture.mean, architecture.std, device="cpu")
    tiles, _ = pale_tiles(96)
    order = np.random.default_rng(0).permutation(len(tiles))
    calibrate(twin, engine, [tiles[part] for part in np.array_split(order, 3)])
    spread: dict[int, float] = {}

    def look(number: int, layer: torch.nn.Module) -> None:
        # Its affine part starts at 1 and 0; outputs are cloned before a ReLU changes them.
        layer.register_forward_hook(lambda _, __, out: spread.update({number: float(out.std())}))

    for number, layer in enumerate(batch_norms(twin)):
        look(number, layer)
    engine(tiles)
    assert len(spread) == 20
    assert all(0.6 < value < 1.4 for value in spread.values()), spread


def test_the_twin_is_the_same_each_time_and_never_the_network_itself() -> None:
    network, architecture = build_network(backbone("test_efficientnet"), 2, 64)
    digests = [body_digest(random_twin(network, architecture, seed)) for seed in (0, 0, 1, 5)]
    assert digests[0] == digests[1] != digests[3]
    assert body_digest(network) not in digests  # drawn with seed 0, too
    state = torch.random.get_rng_state()
    random_twin(network, architecture, 3)
    assert torch.equal(state, torch.random.get_rng_state())


def test_branches_that_start_switched_off_are_switched_on() -> None:
    network, architecture = build_network(backbone("resnet18"), 2, 64)
    off = [layer for layer in batch_norms(network) if not layer.weight.any()]
    twin = random_twin(network, architecture, 0)
    assert len(off) == 8
    assert all(layer.weight.all() for layer in batch_norms(twin))


@pytest.mark.parametrize("name", ["test_vit", "test_convnext"])
def test_networks_without_batch_norm_need_no_tiles(name: str) -> None:
    network, architecture = build_network(backbone(name), 2, 64)
    twin = random_twin(network, architecture, 0)
    engine = TorchEngine(StageFeatures(twin), architecture.mean, architecture.std, device="cpu")

    def read() -> NDArray[np.uint8]:
        raise AssertionError("tiles are read for nothing")

    before = {name: values.clone() for name, values in twin.state_dict().items()}
    calibrate(twin, engine, (read() for _ in range(1)))
    assert all(torch.equal(before[name], values) for name, values in twin.state_dict().items())


def test_calibration_leaves_the_network_in_evaluation() -> None:
    network, architecture = build_network(backbone("test_efficientnet"), 2, 64)
    momenta = [layer.momentum for layer in batch_norms(network)]
    engine = TorchEngine(StageFeatures(network), architecture.mean, architecture.std, device="cpu")
    calibrate(network, engine, [pale_tiles(8)[0]])
    assert not any(module.training for module in network.modules())
    assert [layer.momentum for layer in batch_norms(network)] == momenta
    tiles, _ = pale_tiles(6)
    one_by_one = np.concatenate([engine(tiles[k : k + 1]) for k in range(6)])
    np.testing.assert_allclose(one_by_one, engine(tiles), atol=1e-4)
