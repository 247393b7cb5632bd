"""The strategy `finetune`: a linear probe starts the head, then all layers learn, gently."""

from torch import nn

from histotile.backbones.batch_norm import batch_norms
from histotile.backbones.lora import adapt_attention, merge
from histotile.training.job import Job
from histotile.training.strategies.approach import Approach


def approach(job: Job) -> Approach:
    """All layers learn, or low-rank additions; the norms of a taught network in evaluation.

    Early layers learn more slowly than late ones; running statistics of batch norm stay as they
    came. (Probe first: a random head would distort the features in the first steps. Kumar et al.
    2022, arXiv 2202.10054.)
    """
    recipe = job.settings.finetune

    def freeze(network: nn.Module) -> list[nn.Module]:
        if recipe.lora_rank:
            adapt_attention(network, recipe.lora_rank, job.backbone.weights)
        return [] if job.untaught else [*batch_norms(network)]  # untaught: nothing to protect

    return Approach("finetune", recipe, freeze, finish=merge)
