"""The strategy `finetune`: a linear probe starts the head, then all layers learn, gently."""

from torch import nn

from histotile.backbones.batch_norm import batch_norms
from histotile.backbones.lora import adapt_attention, merge
from histotile.training.fit import learn
from histotile.training.job import Job, Outcome
from histotile.training.start import Approach


def train_finetune(job: Job) -> Outcome:
    """The network as training leaves it.

    Early layers learn more slowly than late ones; running statistics of batch norm stay as they
    came. (Probe first: a random head would distort the features in the first steps. Kumar et al.
    2022, arXiv 2202.10054.)

    Raises:
        HistotileError: Fewer devices came together than were asked for, or there is no attention
            that low-rank additions could adapt.
    """
    return learn(job, approach(job))


def approach(job: Job) -> Approach:
    """All layers learn, or low-rank additions; the norms of a taught network in evaluation."""
    recipe = job.settings.finetune

    def freeze(network: nn.Module) -> list[nn.Module]:
        if recipe.lora_rank:
            adapt_attention(network, recipe.lora_rank)
        return [] if job.untaught else [*batch_norms(network)]  # untaught: nothing to protect

    return Approach(recipe, freeze, finish=merge)
