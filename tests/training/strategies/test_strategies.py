"""What moves in real trainings and what must not, on eight families of networks.

Random weights of a fixed seed, with statistics that are not those of a start, stand for
pre-trained ones.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from torch import Tensor, nn

from histotile.backbones.batch_norm import batch_norms
from histotile.backbones.build import build_network, head
from histotile.backbones.stages import parameters_up_to, stages_of
from histotile.config import Backbone, Train
from histotile.inference.checkpoint import load
from histotile.tasks.registry import make_task
from histotile.training.job import FoldSlide, Run
from histotile.training.lightning_module import TileModule
from histotile.training.optimizer import rate_factor
from histotile.training.strategies.early_probe import fully_frozen
from histotile.training.train_fold import train_fold

CLASSES = ("healthy", "tumour")
TASK = make_task(CLASSES)
SMALL_SWIN = {"window_size": 2, "embed_dim": 24, "depths": (1, 1, 1), "num_heads": (1, 2, 2)}
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "resnet": ("test_resnet", {}),
    "efficientnet": ("test_efficientnet", {}),
    "mobilenet": ("mobilenetv3_small_050", {}),
    "convnext": ("test_convnext", {}),
    "vit": ("test_vit", {}),
    "swin": ("swin_tiny_patch4_window7_224", SMALL_SWIN),
    "densenet": ("densenet121", {"growth_rate": 8, "block_config": (2, 2, 2, 2)}),
    "lecture": ("cnn3", {"act_layer": "elu", "batch_norm": True}),
}


@pytest.fixture(params=FAMILIES)
def taught(request: pytest.FixtureRequest, tmp_path: Path) -> Backbone:
    """A backbone of the family; its file has a head of five classes, as files from elsewhere do."""
    name, options = FAMILIES[request.param]
    plain = Backbone(name=name, weights="none", domain="natural", options=options)
    network, _ = build_network(plain, 5, 64)
    torch.manual_seed(3)
    for layer in batch_norms(network):
        nn.init.uniform_(layer.running_mean, -0.1, 0.1)  # type: ignore[arg-type]
        nn.init.uniform_(layer.running_var, 0.8, 1.2)  # type: ignore[arg-type]
    torch.save(network.state_dict(), tmp_path / "taught.pth")
    return plain.model_copy(update={"weights": str(tmp_path / "taught.pth")})


@pytest.fixture
def few_tiles(make_slide: Callable[..., Path]) -> list[FoldSlide]:
    """Three training patients and one for val."""
    return [
        FoldSlide(f"s{n}", f"p{n}", "train" if n < 3 else "val", make_slide(f"s{n}", seed=n))
        for n in range(4)
    ]


@dataclass
class Watch:
    """What was seen at every training step, and the weights when training ended."""

    module: TileModule | None = None
    start: dict[str, Tensor] = field(default_factory=dict)
    end: dict[str, Tensor] = field(default_factory=dict)
    rates: list[list[float]] = field(default_factory=list)
    groups: list[dict[str, Any]] = field(default_factory=list)
    learning_norms: int = 0
    recorded: list[str] = field(default_factory=list)


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    seen = Watch()
    hooks: list[Any] = []

    def note(part: nn.Module, _: Any, found: Tensor) -> None:
        seen.recorded.append(str(part) if found.requires_grad else "")

    def at_start(module: TileModule) -> None:
        seen.start = {n: v.clone() for n, v in module.network.state_dict().items()}
        for part in fully_frozen(module.network):
            hooks.append(part.register_forward_hook(note))

    def at_step(module: TileModule, *_: Any) -> None:
        seen.module = module
        optimizer: Any = module.optimizers()
        seen.groups = optimizer.param_groups
        seen.rates.append([group["lr"] for group in optimizer.param_groups])
        seen.learning_norms += sum(layer.training for layer in batch_norms(module.network))
        assert module.network.training or module.network in module.still

    def at_end(module: TileModule) -> None:
        for hook in hooks:
            hook.remove()
        seen.end = {n: v.clone() for n, v in module.network.state_dict().items()}

    monkeypatch.setattr(TileModule, "on_train_start", at_start)
    monkeypatch.setattr(TileModule, "on_train_batch_start", at_step)
    monkeypatch.setattr(TileModule, "on_train_end", at_end)
    yield seen


@pytest.fixture
def settings(make_settings: Callable[..., Train]) -> Callable[..., Train]:
    """One epoch of four steps, by the optimizer that suits the network."""

    def make(strategy: str, **changes: Any) -> Train:
        plain = make_settings(max_tiles_per_slide=8, batch_size=12, epochs=1)
        recipes = {
            name: getattr(plain, name).model_copy(update={"optimizer": "adamw", "adamw_lr": None})
            for name in ("finetune", "retrain")
        }
        return plain.model_copy(update={"strategy": strategy, **recipes, **changes})

    return make


def source(backbone: Backbone) -> dict[str, Tensor]:
    return dict(build_network(backbone, 2, 64)[0].state_dict())


def moved(before: dict[str, Tensor], after: dict[str, Tensor]) -> set[str]:
    assert before.keys() == after.keys()
    return {name for name in before if not torch.equal(before[name], after[name])}


def test_finetune(
    tmp_path: Path,
    taught: Backbone,
    few_tiles: list[FoldSlide],
    settings: Callable[..., Train],
    watch: Watch,
) -> None:
    summary = train_fold(tmp_path / "f", few_tiles, TASK, taught, settings("finetune"))
    assert watch.module is not None
    network = watch.module.network
    # Buffers stay bit by bit, batch norm in evaluation; weights move.
    assert watch.learning_norms == 0
    changed = moved(source(taught), watch.end)
    assert not changed & {name for name, _ in network.named_buffers()}
    # But for scales of batch norm whose four steps are smaller than the rounding of 1.
    assert len(changed) > 0.8 * len(list(network.parameters()))
    # The rate of every group is its own at every step, warm-up and cosine included.
    assert len(watch.rates) == 4
    own = {id(p) for p in head(network).parameters()}
    depth = watch.groups[-1]["layer"]
    base = 1e-3 if batch_norms(network) else 3e-4
    for step, rates in enumerate(watch.rates):
        for group, rate in zip(watch.groups, rates, strict=True):
            factor = rate_factor(step, 4, 0.05) * 0.75 ** (depth - group["layer"])
            assert rate == pytest.approx(base * factor, rel=1e-6)
    # The classifier, and it alone, is the deepest group; vectors do not decay.
    deepest = [p for g in watch.groups if g["layer"] == depth for p in g["params"]]
    assert {id(p) for p in deepest} == own
    assert all(p.ndim > 1 for g in watch.groups if g["weight_decay"] for p in g["params"])
    # The file has every key of timm's own network, num_batches_tracked too.
    after = load(tmp_path / "f" / "model.ckpt").network
    plain = timm.create_model(taught.name, num_classes=2, **_sized(taught))
    assert after.state_dict().keys() == plain.state_dict().keys()
    assert summary["strategy"] == "finetune"
    assert summary["frozen_weights"] == summary["dropped_weights"] == 0
    assert summary["lr"][-1]["lr"] == base
    assert [e["lr"] for e in summary["lr"]] == sorted(e["lr"] for e in summary["lr"])


def _sized(backbone: Backbone) -> dict[str, Any]:
    sized = {"img_size": 64} if backbone.name.startswith(("test_vit", "swin")) else {}
    return {**backbone.options, **sized}


def test_retrain_tail(
    tmp_path: Path,
    taught: Backbone,
    few_tiles: list[FoldSlide],
    settings: Callable[..., Train],
    watch: Watch,
) -> None:
    chosen = settings("auto", early_probe="retrain_tail")
    decided: Any = ("early_probe", (2,))
    summary = train_fold(tmp_path / "f", few_tiles, TASK, taught, chosen, Run(decided=decided))
    assert watch.module is not None
    network = watch.module.network
    frozen = parameters_up_to(network, 2)
    changed = moved(source(taught), watch.end)
    assert not changed & frozen
    assert not changed & {name for name, _ in network.named_buffers()}
    tail = {name for name, _ in network.named_parameters()} - frozen
    # As in test_finetune: steps smaller than the rounding of 1 leave some scales where they are.
    assert len(changed) > 0.8 * len(tail)
    assert watch.learning_norms == 0
    # No gradient is recorded below the tail, none kept.
    assert set(watch.recorded) == {""}
    assert all(p.grad is None for n, p in network.named_parameters() if n in frozen)
    listed = {id(p) for group in watch.groups for p in group["params"]}
    assert listed == {id(p) for n, p in network.named_parameters() if n in tail}
    assert summary["strategy"] == "early_probe"
    assert summary["stages"] == [len(stages_of(network))], "the head sees the last stage"
    sizes = {n: p.numel() for n, p in network.named_parameters()}
    assert summary["trained_weights"] == sum(sizes[n] for n in tail)
    assert summary["frozen_weights"] == sum(sizes[n] for n in sizes.keys() - tail) > 0
    after = load(tmp_path / "f" / "model.ckpt").network.state_dict()
    assert not moved(source(taught), dict(after)) & frozen


def test_init(
    tmp_path: Path,
    taught: Backbone,
    few_tiles: list[FoldSlide],
    settings: Callable[..., Train],
    watch: Watch,
) -> None:
    summary = train_fold(tmp_path / "f", few_tiles, TASK, taught, settings("retrain"))
    assert watch.module is not None
    network = watch.module.network
    norms = batch_norms(network)
    assert watch.learning_norms == 4 * len(norms)  # in training mode at every step
    statistics = {n for n, _ in network.named_buffers() if "running" in n}
    assert statistics <= moved(source(taught), watch.start)  # measured anew before the first
    assert statistics <= moved(watch.start, watch.end)  # and followed since
    first = {n: watch.start[n] for n in watch.start if n.endswith("num_batches_tracked")}
    assert all(int(count) == 4 for count in first.values())
    assert all(layer.momentum == 0.1 for layer in norms)
    assert {round(r / rates[0], 9) for rates in watch.rates for r in rates} == {1.0}
    assert summary["frozen_weights"] == 0
    assert {e["lr"] for e in summary["lr"]} == {1e-3 if norms else 3e-4}
