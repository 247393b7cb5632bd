"""The backbone: built as `embed` and `train` will build it."""

from histotile.checks.problem import Problem, attempt
from histotile.config import Config


def check_network(config: Config) -> list[Problem]:
    """Whether the network is known, its weights fit, and it takes tiles of this size."""
    from histotile.backbones.build import build_network

    problems: list[Problem] = []
    tile_px, classes = config.tile.tile_px, len(config.classes)
    attempt(problems, build_network, config.backbone, classes, tile_px)
    return problems
