"""The strategy `finetune`: a linear probe starts the head, then all layers learn, gently."""

from histotile.backbones.batch_norm import batch_norms
from histotile.training.fit import Approach, learn
from histotile.training.job import Job, Outcome


def train_finetune(job: Job) -> Outcome:
    """The network as training leaves it.

    Early layers learn more slowly than late ones; running statistics of batch norm stay as they
    came. (Probe first: a random head would distort the features in the first steps. Kumar et al.
    2022, arXiv 2202.10054.)

    Raises:
        HistotileError: Fewer devices came together than were asked for.
    """
    untaught = job.untaught  # then there is nothing to protect
    return learn(
        job,
        Approach(job.settings.finetune, lambda net: [] if untaught else batch_norms(net)),
    )
