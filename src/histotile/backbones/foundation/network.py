"""`foundation_vit` in timm's registry: vision transformers that timm's files cannot describe.

timm keeps no classes among a model's arguments, and pools no class token beside the mean of patch
tokens. A timm without histotile knows the name once this module is imported.
"""

from typing import Any

import torch
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from timm.layers import SwiGLUPacked
from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from timm.models.vision_transformer import VisionTransformer, checkpoint_filter_fn
from torch import Tensor, nn

__all__ = ["FoundationViT", "checkpoint_filter_fn"]  # the latter is looked for beside the class


class FoundationViT(VisionTransformer):  # type: ignore[misc]
    """A vision transformer whose arguments are all plain data.

    Args:
        swiglu: Whether its dense layers are gated (SwiGLU) rather than GELU.
        class_and_mean: Whether features are the class token and beside it the mean of the patch
            tokens, registers left out; else the class token alone.
        num_classes: Outputs of the head.
        global_pool: `token`, as timm writes it into config.json; nothing else.
        arguments: Of timm's VisionTransformer.
    """

    def __init__(
        self,
        swiglu: bool = False,
        class_and_mean: bool = False,
        num_classes: int = 0,
        global_pool: str = "token",
        **arguments: Any,
    ) -> None:
        if global_pool != "token":
            raise ValueError(
                f"global_pool is {global_pool!r}, but class_and_mean says how it pools"
            )
        gated = {"mlp_layer": SwiGLUPacked, "act_layer": nn.SiLU} if swiglu else {}
        super().__init__(num_classes=0, global_pool=global_pool, **gated, **arguments)
        self.class_and_mean = class_and_mean
        self.num_features = self.head_hidden_size = self.embed_dim * (2 if class_and_mean else 1)
        self.reset_classifier(num_classes)

    def pool(self, x: Tensor, pool_type: str | None = None) -> Tensor:
        """Features (N, D) of tokens (N, prefixes + patches, D)."""
        if not self.class_and_mean:
            return x[:, 0]
        return torch.cat([x[:, 0], x[:, self.num_prefix_tokens :].mean(1)], dim=1)

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """A new head; 0 classes: none."""
        self.num_classes = num_classes
        self.head = nn.Linear(self.num_features, num_classes) if num_classes else nn.Identity()


default_cfgs = generate_default_cfgs(
    {
        "foundation_vit.untrained": {
            "input_size": (3, 224, 224),
            "fixed_input_size": True,
            "num_classes": 2,
            "mean": IMAGENET_DEFAULT_MEAN,
            "std": IMAGENET_DEFAULT_STD,
            "first_conv": "patch_embed.proj",
            "classifier": "head",
        }
    }
)


@register_model  # type: ignore[untyped-decorator]
def foundation_vit(pretrained: bool = False, **arguments: Any) -> Any:
    """A vision transformer with random weights."""
    return build_model_with_cfg(FoundationViT, "foundation_vit", pretrained, **arguments)
