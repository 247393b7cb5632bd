"""The whole of config.yaml, section by section."""

from pydantic import Field, model_validator

from histotile.config.models import Backbone, Embed, Engine, Pack, Train
from histotile.config.results import (
    Aggregate,
    Apply,
    Evaluate,
    Export,
    Heatmap,
    LearnSlides,
    Report,
)
from histotile.config.slides import Inspect, Mask, Split, Tile
from histotile.config.strategy import Baseline, Decide, Tune, Verify
from histotile.config.task import NONE_OF_THEM, TaskSettings
from histotile.config.values import Place, Reasons, Section
from histotile.io.names import nearest


class Config(Section):
    """The whole of config.yaml."""

    cohort: Place = Field(
        description="The cohort file. Or ready-made tiles: a folder with one sub-folder per class "
        "(groups, i.e. patients, above or below), or a CSV of path, label and optionally group, "
        "site, split. Relative paths count from where you start."
    )
    results: Place = Field(description="Folder of all results.")
    classes: tuple[str, ...] = Field(
        min_length=1,
        description="Class names in order. The first is the background (healthy), the last the one "
        "that heatmaps show. Of a multilabel task the labels, of a regression its number's name.",
    )
    task: TaskSettings
    backbone: Backbone
    engine: Engine
    inspect: Inspect
    mask: Mask
    tile: Tile
    split: Split
    embed: Embed
    pack: Pack
    baseline: Baseline
    decide: Decide
    tune: Tune
    train: Train
    verify: Verify
    learn_slides: LearnSlides
    aggregate: Aggregate
    evaluate: Evaluate
    heatmap: Heatmap
    report: Report
    export: Export
    apply: Apply
    accept: Reasons = Field(
        description="Findings that are right as they stand: the id that was printed -> your "
        "reason, e.g. {spelling-1f0c77aa: two patients of one name}. They no longer stop or "
        "quarantine, and every page shows them as accepted by you."
    )

    @model_validator(mode="after")
    def _classes_agree(self) -> "Config":
        if len(set(self.classes)) < len(self.classes):
            raise ValueError(f"`classes`: {', '.join(self.classes)} names a class twice")
        labels = self.tile.labels
        if told := self.task.problems(self.classes, labels.outside, self.aggregate.method):
            raise ValueError("\n".join(told))
        known = {*self.classes, *([NONE_OF_THEM] if self.task.kind == "multilabel" else [])}
        used: list[tuple[str, str | None]] = []
        used += [(f"tile.labels.names.{name}", to) for name, to in labels.names.items()]
        used += [("tile.labels.outside", labels.outside)]
        used += [("heatmap.class_name", self.heatmap.class_name)]
        wrong = [
            f"`{key}`: {name!r} is none of `classes` ({', '.join(self.classes)})"
            + (f"; did you mean {near!r}?" if (near := nearest(name, self.classes)) else "")
            for key, name in used
            if name is not None and name not in known
        ]
        if wrong:
            raise ValueError("\n".join(wrong))
        return self
