"""The strategy `early_probe`: a head on early stages; what no stage needs goes, or learns anew."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from torch import nn

from histotile.backbones.batch_norm import batch_norms
from histotile.backbones.build import body_digest, build_network, head
from histotile.backbones.stages import parameters_up_to, stages_of, truncate
from histotile.training.job import Job, Outcome
from histotile.training.strategies.approach import Approach
from histotile.training.strategies.linear_probe import choose_head, train_fixed


def train_truncated(job: Job) -> Outcome:
    """The backbone under a linear head on cached features of the job's stages.

    Layers behind the deepest of them are cut off.

    Raises:
        HistotileError: Features are missing, made by another backbone, or lack the stage.
    """
    network, architecture = build_network(job.backbone, job.task.outputs, job.fold.train.tile_px)
    stages = _stages(job)
    if stages == (len(stages_of(network)),):  # that is no early stage
        return train_fixed(job)
    fitted = choose_head(job, stages, body_digest(network))
    whole = _body_weights(network)
    cut = truncate(network, stages, job.task.outputs)
    fitted.probe.fill(head(cut))
    short = replace(architecture, stages=stages)
    return fitted.outcome(cut.eval(), short, stages, dropped=whole - _body_weights(cut))


def approach(job: Job) -> Approach:
    """Layers behind the job's first stage learn by the recipe of `finetune`.

    Layers up to that stage keep weights and statistics bit by bit. No gradient is computed in them:
    autograd records nothing before the first parameter that learns.
    """
    stage = _stages(job)[0]

    def freeze(network: nn.Module) -> list[nn.Module]:
        names = parameters_up_to(network, stage)
        for name, parameter in network.named_parameters():
            parameter.requires_grad_(name not in names)
        statistics = [] if job.untaught else batch_norms(network)
        return [*fully_frozen(network), *statistics]

    return Approach("finetune", job.settings.finetune, freeze)


def fully_frozen(network: nn.Module) -> Iterator[nn.Module]:
    """Modules with parameters of which none learns; of nested ones the outermost."""
    parameters = list(network.parameters())
    if parameters and not any(p.requires_grad for p in parameters):
        yield network
        return
    for child in network.children():
        yield from fully_frozen(child)


def _stages(job: Job) -> tuple[int, ...]:
    assert job.stages, "train_fold makes sure of it"
    return job.stages


def _body_weights(network: Any) -> int:
    own = {id(p) for p in head(network).parameters()}
    return sum(p.numel() for p in network.parameters() if id(p) not in own)
