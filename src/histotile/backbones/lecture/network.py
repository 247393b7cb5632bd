"""Blocks of convolutions under dense layers: what the lectures' networks have in common."""

from collections.abc import Sequence
from typing import Any, ClassVar

from timm.models._features import feature_take_indices
from torch import Tensor, nn


class LectureNetwork(nn.Module):
    """Blocks of convolutions, dense layers, a linear head; as networks of timm are asked.

    Stages are the maps of each block, before its pooling, and what the head sees.

    Args:
        blocks: Of convolutions, each with its number of channels.
        pools: What stands behind each block.
        dense: From the maps of the last pooling to what the head sees.
        width: Of what the head sees.
        num_classes: Outputs; 0: no head.

    Attributes:
        least_px: Smallest side of a tile.
    """

    least_px: ClassVar[int]

    def __init__(
        self,
        blocks: Sequence[tuple[int, Sequence[nn.Module]]],
        pools: Sequence[nn.Module],
        dense: Sequence[nn.Module],
        width: int,
        num_classes: int,
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(nn.Sequential(*layers) for _, layers in blocks)
        self.pools = nn.ModuleList(pools)
        self.dense = nn.Sequential(*dense)
        self.num_features = self.head_hidden_size = width
        self.feature_info = _feature_info(blocks, pools)
        self.feature_info.append({**self.feature_info[-1], "num_chs": width, "module": "dense"})
        self.head: nn.Module
        self.reset_classifier(num_classes)

    @classmethod
    def check(cls, sides: Sequence[int]) -> None:
        """Raises ValueError where no map is left behind the last pooling."""
        if min(sides) < 1:
            raise ValueError(f"{cls.__name__} needs tiles of {cls.least_px} px or more")

    def forward_features(self, tiles: Tensor) -> Tensor:
        """Maps (N, C, height, width) behind the last pooling."""
        for block, pool in zip(self.blocks, self.pools, strict=True):
            tiles = pool(block(tiles))
        return tiles

    def forward_intermediates(
        self,
        x: Tensor,
        indices: int | list[int] | None = None,
        norm: bool = False,
        stop_early: bool = False,
        output_fmt: str = "NCHW",
        intermediates_only: bool = False,
    ) -> list[Tensor] | tuple[Tensor, list[Tensor]]:
        """The maps of these blocks; the arguments are timm's. The last index is what the head sees.

        It comes as (N, width, 1, 1).
        """
        assert output_fmt == "NCHW", "maps are NCHW"
        taken, deepest = feature_take_indices(len(self.blocks) + 1, indices)
        found = []
        for number, (block, pool) in enumerate(zip(self.blocks, self.pools, strict=True)):
            if stop_early and number > deepest:
                break
            maps = block(x)
            if number in taken:
                found.append(maps)
            x = maps if stop_early and number == deepest else pool(maps)
        if len(self.blocks) in taken:
            found.append(self.dense(x)[:, :, None, None])
        return found if intermediates_only else (x, found)

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """Logits (N, classes) of these maps; with `pre_logits` what the head sees (N, width)."""
        seen: Tensor = self.dense(x)
        return seen if pre_logits else self.head(seen)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, classes) of normalised NCHW tiles."""
        return self.forward_head(self.forward_features(x))

    def get_classifier(self) -> nn.Module:
        """The head."""
        return self.head

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """A new head; 0 classes: none."""
        self.num_classes = num_classes
        self.head = nn.Linear(self.num_features, num_classes) if num_classes else nn.Identity()

    def group_matcher(self, coarse: bool = False) -> dict[str, Any]:
        """Depths of the layers: block by block, then each dense layer."""
        return {"blocks": r"^blocks\.(\d+)", "dense": r"^dense\.(\d+)"}


def _feature_info(
    blocks: Sequence[tuple[int, Sequence[nn.Module]]], pools: Sequence[nn.Module]
) -> list[dict[str, Any]]:
    info, reduction = [], 1
    for number, ((width, layers), pool) in enumerate(zip(blocks, pools, strict=True)):
        for layer in layers:
            reduction *= int(getattr(layer, "stride", (1,))[0])
        info.append({"num_chs": width, "reduction": reduction, "module": f"blocks.{number}"})
        reduction *= int(getattr(pool, "stride", 1))
    return info
