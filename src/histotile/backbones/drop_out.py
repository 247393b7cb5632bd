"""What a network leaves out at random while it learns."""

from torch import nn
from torch.nn.modules.dropout import _DropoutNd


def drops(network: nn.Module) -> bool:
    """Whether features or whole branches are left out at random while the network learns.

    By PyTorch's drop-out, by timm's branches (`drop_prob`), or in a forward pass of timm's that
    reads `drop_rate` itself.
    """
    parts = list(network.modules())
    rates = [part.p for part in parts if isinstance(part, _DropoutNd)]
    rates += [getattr(part, "drop_prob", 0) or 0 for part in parts]
    return any(rate > 0 for rate in [*rates, getattr(network, "drop_rate", 0)])
