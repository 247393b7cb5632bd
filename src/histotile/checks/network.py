"""The backbone: built as `embed` and `train` will build it."""

from histotile.checks.problem import Problem, attempt
from histotile.config import Config


def check_network(config: Config) -> list[Problem]:
    """Whether the network is known, its weights fit, and it takes tiles of this size.

    And whether it has attention and was trained before, where additions to it shall learn.
    """
    from histotile.backbones.build import build_network
    from histotile.tasks.registry import config_task

    problems: list[Problem] = []
    outputs = config_task(config).outputs
    built = attempt(problems, build_network, config.backbone, outputs, config.tile.tile_px)
    finetunes = config.train.strategy in {"auto", "finetune"} or config.verify.budget == "full"
    if built and finetunes and (rank := config.train.finetune.lora_rank):
        from histotile.backbones.lora import adapt_attention

        attempt(problems, adapt_attention, built[0], rank, config.backbone.weights)
    return problems
