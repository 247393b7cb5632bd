"""Settings of scores, metrics, heatmaps, pages and exports."""

from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from histotile.config.values import Fraction, Place, Positive, Section

Pooling = Literal["mean", "top_k", "quantile", "noisy_or"]
SlideLearner = Literal["mean_features", "max_features", "quantile_features", "lesions", "attention"]
SlideMethod = Literal[Pooling, SlideLearner]


def reads_features(method: str) -> bool:
    """Whether a method of `aggregate.method` learns of the features of tiles."""
    return method.endswith("_features") or method == "attention"


class Aggregate(Section):
    """From tiles to a slide score."""

    method: Literal[SlideMethod, "auto"] = Field(
        description="`top_k`: mean of the k most probable tiles, for small lesions. `mean`: for "
        "changes of the whole tissue. `quantile`: robust top. `noisy_or`: any tile suffices. Or "
        "slides are learnt (section `learn_slides`; docs/slides.md): `mean_features`, "
        "`max_features`, `quantile_features`: linear head on the tiles' features summed up. "
        "`lesions`: random forest on number, size and shape of lesions. `attention`: gated "
        "attention over tiles. `auto`: what predicts left-out training patients best."
    )
    top_k: Annotated[int, Field(ge=1)] = Field(
        description="k of `top_k` (tiles), and of `noisy_or`: the chance that k tiles drawn at "
        "random hold a positive one."
    )
    quantile: Fraction = Field(description="Quantile of `quantile`, e.g. 0.95.")
    calls: Literal["learnt", "highest"] = Field(
        description="`learnt`: offsets of the classes, or thresholds of the labels, are learnt "
        "from slides (and patients) that the fold did not test, so that each counts alike. "
        "`highest`: the highest score, or 0.5 for a label."
    )
    bootstraps: Annotated[int, Field(ge=0)] = Field(
        description="Resamples of a slide's tissue, in blocks of neighbouring tiles, behind the "
        "interval of its score. 0: no interval. Learnt scores have none."
    )

    @property
    def is_learnt(self) -> bool:
        """Whether slides are learnt rather than tiles pooled."""
        return self.method not in get_args(Pooling)


class Attention(Section):
    """Gated attention over the tiles of a slide."""

    hidden: Annotated[int, Field(ge=2)] = Field(description="Width of a tile's hidden layer.")
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(
        description="Share of hidden values dropped at random."
    )
    instances: Annotated[int, Field(ge=1)] = Field(
        description="Most tiles of a slide in one step, drawn anew each time. Slides that are "
        "predicted are seen whole."
    )
    epochs: Annotated[int, Field(ge=1)] = Field(
        description="Passes over the slides, unless `min_steps` asks for more."
    )
    min_steps: Annotated[int, Field(ge=1)] = Field(
        description="Passes are added until this many steps of eight slides are planned."
    )
    lr: Positive = Field(description="Peak learning rate (AdamW).")
    weight_decay: Annotated[float, Field(ge=0)] = Field(description="Weight decay of AdamW.")
    seeds: Annotated[int, Field(ge=1)] = Field(description="Networks whose mean is taken.")


class Lesions(Section):
    """Areas of the probability map, and the forest on their features."""

    threshold: Fraction = Field(
        description="Probability from which a tile belongs to a lesion; of a number its share of "
        "the range."
    )
    trees: Annotated[int, Field(ge=10)] = Field(description="Trees of the forest.")


class LearnSlides(Section):
    """Learning slides where `aggregate.method` asks for it."""

    candidates: tuple[SlideMethod, ...] = Field(
        min_length=2,
        description="What `auto` chooses among, the simplest first. `lesions` needs slides: "
        "ready-made tiles have no place.",
    )
    margin: Annotated[float, Field(ge=0)] = Field(
        description="`auto` takes the simplest candidate whose score (AUROC; Spearman's rho of a "
        "number) on left-out training patients comes this near to the best."
    )
    folds: Annotated[int, Field(ge=2)] = Field(
        description="Folds by patient, within the training patients of each fold, of that choice."
    )
    stage: Annotated[int, Field(ge=1)] | None = Field(
        description="Stage of the network whose features are read. null: the last."
    )
    quantiles: tuple[Fraction, ...] = Field(
        min_length=1, description="Quantiles of each feature that `quantile_features` reads."
    )
    attention: Attention
    lesions: Lesions
    bootstraps: Annotated[int, Field(ge=100)] = Field(
        description="Resamples of patients behind the intervals of scores and regret."
    )
    seed: int = Field(description="Seed of inner folds, networks, forests and resamples.")

    def methods(self, aggregate: Aggregate) -> tuple[SlideMethod, ...]:
        """The method of that section, or for `auto` all candidates, the simplest first."""
        return self.candidates if aggregate.method == "auto" else (aggregate.method,)

    @model_validator(mode="after")
    def _candidates_differ(self) -> "LearnSlides":
        if len(set(self.candidates)) < len(self.candidates):
            raise ValueError("`candidates` names a method twice")
        return self


class Evaluate(Section):
    """Measuring held-out predictions."""

    bootstraps: Annotated[int, Field(ge=100)] = Field(
        description="Resamples of patients behind every interval."
    )
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = Field(description="Level of intervals.")
    seed: int = Field(description="Seed of the resamples.")


class Heatmap(Section):
    """Painting a slide's probabilities."""

    class_name: str | None = Field(
        description="Class to paint. null: the last of `classes`, by custom the lesion."
    )
    threshold: Fraction = Field(
        description="Probability at which the contour is drawn; of a number its share of the range."
    )
    colormap: Literal["cividis", "viridis"] = Field(
        description="Colour map; both are safe for the colour-blind. `viridis` keeps middling "
        "probabilities apart on pink and purple tissue; `cividis` suits green or grey stains."
    )
    opacity: Fraction = Field(description="Opacity where the probability is 1.")
    overview_px: Annotated[int, Field(ge=256, le=8192)] = Field(
        description="Longest side of the picture (px)."
    )


class Report(Section):
    """The pages."""

    title: str = Field(description="Heading of the cohort page.")
    top_tiles: Annotated[int, Field(ge=0, le=64)] = Field(
        description="Most probable tiles shown per slide, and as many of the most uncertain ones."
    )
    overview_px: Annotated[int, Field(ge=1024, le=16384)] = Field(
        description="Longest side (px) of the slide's picture in its page, which zooms no further. "
        "Pages over 25 MB get a smaller one."
    )
    full_resolution: bool = Field(
        description="Whether slide pages zoom down to level 0. Each page then comes with a folder "
        "of pictures about as large as the slide, and takes minutes."
    )


class Export(Section):
    """Handing the model on."""

    formats: tuple[Literal["timm", "onnx"], ...] = Field(description="What to write.")
    tolerance: Positive = Field(
        description="Largest difference of probabilities between the exported and the trained "
        "model on real tiles; a larger one fails the export."
    )
    tiles: Annotated[int, Field(ge=1)] = Field(description="Tiles of the comparison.")


class Apply(Section):
    """Predicting new slides with a trained model: `snakemake apply`."""

    slides: Place = Field(description="Cohort file of the new slides; needs no labels.")
    model: Place = Field(
        description="Folder of trained folds, one fold, an exported timm folder, or one `.onnx`."
    )
