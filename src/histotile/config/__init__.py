"""Every setting: its name, type, unit, bounds, and when to change it.

Values stand in config/config.yaml and config/synthetic.yaml alone: no field of a section has a
default here. A section is named after the rule or verb that uses it; a job receives its whole
section as JSON on its command line.
"""

from histotile.config.models import Augment, Backbone, Embed, Engine, Finetune, Pack, Recipe, Train
from histotile.config.results import (
    Aggregate,
    Apply,
    Attention,
    Evaluate,
    Export,
    Heatmap,
    LearnSlides,
    Lesions,
    Report,
)
from histotile.config.sections import Config
from histotile.config.slides import Inspect, Labels, Mask, Quality, Split, Tile
from histotile.config.strategy import (
    Alarms,
    Baseline,
    Decide,
    SimilarityRule,
    SizeRule,
    Tune,
    Verify,
)
from histotile.config.synthetic import Pretrain, SyndromeTiles, Synthesize, Synthetic
from histotile.config.task import TaskSettings
from histotile.config.values import Section, Strength

__all__ = [
    "Aggregate",
    "Alarms",
    "Apply",
    "Attention",
    "Augment",
    "Backbone",
    "Baseline",
    "Config",
    "Decide",
    "Embed",
    "Engine",
    "Evaluate",
    "Export",
    "Finetune",
    "Heatmap",
    "Inspect",
    "Labels",
    "LearnSlides",
    "Lesions",
    "Mask",
    "Pack",
    "Pretrain",
    "Quality",
    "Recipe",
    "Report",
    "Section",
    "SimilarityRule",
    "SizeRule",
    "Split",
    "Strength",
    "SyndromeTiles",
    "Synthesize",
    "Synthetic",
    "TaskSettings",
    "Tile",
    "Train",
    "Tune",
    "Verify",
]
