"""Low-rank additions: what learns, and that merging changes no output."""

import pytest
import timm
import torch
from torch import nn

from histotile.backbones.build import head
from histotile.backbones.lora import adapt_attention, merge
from histotile.backbones.stages import layer_groups
from histotile.errors import HistotileError

SIZED = {"test_vit": 64, "eva02_tiny_patch14_224": 28, "xcit_nano_12_p16_224": None}


def network(name: str) -> nn.Module:
    sized = {"img_size": SIZED[name]} if SIZED[name] else {}
    torch.manual_seed(0)
    found: nn.Module = timm.create_model(name, num_classes=2, **sized)
    return found.eval()


@pytest.mark.parametrize("name", SIZED)
def test_additions_learn_and_merge_without_changing_an_output(name: str) -> None:
    net = network(name)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    tiles = torch.randn(2, 3, SIZED[name] or 64, SIZED[name] or 64)
    plain = net(tiles)
    adapt_attention(net, 8, "file.pth")
    torch.testing.assert_close(net(tiles), plain)
    own = {id(p) for p in head(net).parameters()}
    learning = {n: p for n, p in net.named_parameters() if p.requires_grad}
    assert all(id(p) in own or ".parametrizations." in n for n, p in learning.items())
    assert len(learning) > len(own)
    assert {n for group in layer_groups(net) for n in group} >= learning.keys()
    optimizer = torch.optim.SGD(learning.values(), lr=0.5)
    for _ in range(3):
        optimizer.zero_grad()
        net(tiles).square().sum().backward()
        optimizer.step()
    moved = net(tiles)
    assert not torch.allclose(moved, plain)
    merge(net)
    torch.testing.assert_close(net(tiles), moved)
    after = net.state_dict()
    assert after.keys() == before.keys()
    changed = {key for key in before if not torch.equal(before[key], after[key])}
    assert len(changed) > 2
    for key in changed - {n for n, p in net.named_parameters() if id(p) in own}:
        difference = (after[key] - before[key]).float()
        assert torch.linalg.matrix_rank(difference, rtol=1e-4) <= 8, key


def test_rank_8_of_a_small_vit_is_a_small_share() -> None:
    net = network("test_vit")
    adapt_attention(net, 8, "file.pth")
    width, blocks = 64, 6
    expected = blocks * 8 * ((width + 3 * width) + (width + width)) + 2 * width + 2
    assert sum(p.numel() for p in net.parameters() if p.requires_grad) == expected


@pytest.mark.parametrize("name", ["test_resnet", "test_convnext"])
def test_networks_without_attention_are_refused(name: str) -> None:
    with pytest.raises(HistotileError, match=r"no attention(.|\n)*Remedy: .*lora_rank: 0"):
        adapt_attention(timm.create_model(name), 8, "file.pth")


def test_random_weights_are_not_frozen() -> None:
    net = network("test_vit")
    with pytest.raises(HistotileError, match=r"weights is none(.|\n)*Remedy: .*lora_rank: 0"):
        adapt_attention(net, 8, "none")
    assert all(p.requires_grad for p in net.parameters())
