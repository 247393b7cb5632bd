"""`lenet5`, `cnn3` and `alexnet` in timm's registry; importing this module puts them there.

timm has the others itself (`vgg16`, `resnet18` to `resnet152`). A timm without histotile does not
know the names registered here.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from torch import nn

from histotile.backbones.lecture.layers import Layers
from histotile.backbones.lecture.network import LectureNetwork


class LeNet5(LectureNetwork):
    """LeNet-5 (LeCun et al. 1998): convolutions of 6 and 16, dense layers of 120 and 84.

    61,706 parameters with `in_chans=1, img_size=32, num_classes=10`. As it is taught today: every
    map of the second layer sees all of the first, pooling is a plain average, the end is linear.

    Args:
        img_size: Side of a tile, or (height, width): the first dense layer sees all of it.
        num_classes: Outputs.
        in_chans: Channels of a tile.
        act_layer: A name of `ACTIVATIONS`.
        batch_norm: Whether each layer is normalised.
        drop_rate: Of drop-out before each dense layer.
    """

    least_px = 16

    def __init__(
        self,
        img_size: int | Sequence[int] = 32,
        num_classes: int = 10,
        in_chans: int = 3,
        act_layer: str = "tanh",
        batch_norm: bool = False,
        drop_rate: float = 0.0,
    ) -> None:
        make = Layers(act_layer, batch_norm)
        sides = [((px - 4) // 2 - 4) // 2 for px in _sides(img_size)]
        self.check(sides)
        super().__init__(
            [(6, make.conv(in_chans, 6, 5)), (16, make.conv(6, 16, 5))],
            [nn.AvgPool2d(2), nn.AvgPool2d(2)],
            _dense(make, [16 * math.prod(sides), 120, 84], drop_rate),
            84,
            num_classes,
        )


class CNN3(LectureNetwork):
    """Three convolutions of 16, 64 and 256 channels, each before max pooling; 1,024 dense.

    Args:
        img_size: Side of a tile, or (height, width): the dense layer sees all of it.
        num_classes: Outputs.
        in_chans: Channels of a tile.
        act_layer: A name of `ACTIVATIONS`.
        batch_norm: Whether each layer is normalised.
        drop_rate: Of drop-out before the dense layer.
    """

    least_px = 8

    def __init__(
        self,
        img_size: int | Sequence[int] = 96,
        num_classes: int = 4,
        in_chans: int = 3,
        act_layer: str = "relu",
        batch_norm: bool = False,
        drop_rate: float = 0.0,
    ) -> None:
        make = Layers(act_layer, batch_norm)
        widths = (in_chans, 16, 64, 256)
        sides = [px // 8 for px in _sides(img_size)]
        self.check(sides)
        super().__init__(
            [(after, make.conv(before, after, 3, padding=1)) for before, after in pairwise(widths)],
            [nn.MaxPool2d(2) for _ in range(3)],
            _dense(make, [256 * math.prod(sides), 1024], drop_rate),
            1024,
            num_classes,
        )


class AlexNet(LectureNetwork):
    """AlexNet on one device (Krizhevsky 2014, arXiv 1404.5997), as torchvision has it.

    61,100,840 parameters with 1,000 classes; the two-tower network of 2012, which is not this one,
    has 60,965,224. Tiles of any size from 63 px: the last maps are averaged to 6 x 6.

    Args:
        num_classes: Outputs.
        in_chans: Channels of a tile.
        act_layer: A name of `ACTIVATIONS`.
        batch_norm: Whether each layer is normalised.
        drop_rate: Of drop-out before each dense layer.
    """

    least_px = 63

    def __init__(
        self,
        num_classes: int = 1000,
        in_chans: int = 3,
        act_layer: str = "relu",
        batch_norm: bool = False,
        drop_rate: float = 0.5,
    ) -> None:
        make = Layers(act_layer, batch_norm)
        blocks = [
            (64, make.conv(in_chans, 64, 11, stride=4, padding=2)),
            (192, make.conv(64, 192, 5, padding=2)),
            (384, make.conv(192, 384, 3, padding=1)),
            (256, make.conv(384, 256, 3, padding=1)),
            (256, make.conv(256, 256, 3, padding=1)),
        ]
        pools = [nn.MaxPool2d(3, 2), nn.MaxPool2d(3, 2), nn.Identity(), nn.Identity()]
        dense = [nn.AdaptiveAvgPool2d(6), *_dense(make, [256 * 36, 4096, 4096], drop_rate)]
        super().__init__(blocks, [*pools, nn.MaxPool2d(3, 2)], dense, 4096, num_classes)


def _sides(img_size: int | Sequence[int]) -> tuple[int, int]:
    """(height, width); timm keeps it as a list where it was a tuple."""
    if isinstance(img_size, int):
        return img_size, img_size
    height, width = img_size
    return int(height), int(width)


def _dense(make: Layers, widths: Sequence[int], drop_rate: float) -> list[nn.Module]:
    layers: list[nn.Module] = [nn.Flatten()]
    for before, after in pairwise(widths):
        layers += [nn.Dropout(drop_rate), *make.linear(before, after)]
    return layers


def _config(px: int, classes: int, fixed: bool) -> dict[str, Any]:
    """What timm is told of a network without weights."""
    return {
        "input_size": (3, px, px),
        "fixed_input_size": fixed,
        "num_classes": classes,
        "mean": IMAGENET_DEFAULT_MEAN,
        "std": IMAGENET_DEFAULT_STD,
        "first_conv": "blocks.0.0",
        "classifier": "head",
    }


default_cfgs = generate_default_cfgs(
    {
        "lenet5.untrained": _config(32, 10, fixed=True),
        "cnn3.untrained": _config(96, 4, fixed=True),
        "alexnet.untrained": _config(224, 1000, fixed=False),
    }
)


@register_model  # type: ignore[untyped-decorator]
def lenet5(pretrained: bool = False, **arguments: Any) -> Any:
    """LeNet-5 with random weights."""
    return build_model_with_cfg(LeNet5, "lenet5", pretrained, **arguments)


@register_model  # type: ignore[untyped-decorator]
def cnn3(pretrained: bool = False, **arguments: Any) -> Any:
    """The lecture's three convolutions, with random weights."""
    return build_model_with_cfg(CNN3, "cnn3", pretrained, **arguments)


@register_model  # type: ignore[untyped-decorator]
def alexnet(pretrained: bool = False, **arguments: Any) -> Any:
    """AlexNet with random weights."""
    return build_model_with_cfg(AlexNet, "alexnet", pretrained, **arguments)
