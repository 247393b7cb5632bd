"""Settings of scores, metrics, heatmaps, pages and exports."""

from typing import Annotated, Literal

from pydantic import Field

from histotile.config.values import Fraction, Place, Positive, Section


class Aggregate(Section):
    """From tile probabilities to a slide score."""

    method: Literal["mean", "top_k", "quantile", "noisy_or"] = Field(
        description="`top_k`: mean of the k most probable tiles, for small lesions. `mean`: for "
        "changes of the whole tissue. `quantile`: robust top. `noisy_or`: any tile suffices."
    )
    top_k: Annotated[int, Field(ge=1)] = Field(
        description="k of `top_k` (tiles), and of `noisy_or`: the chance that k tiles drawn at "
        "random hold a positive one."
    )
    quantile: Fraction = Field(description="Quantile of `quantile`, e.g. 0.95.")
    bootstraps: Annotated[int, Field(ge=0)] = Field(
        description="Resamples of a slide's tissue, in blocks of neighbouring tiles, behind the "
        "interval of its score. 0: no interval."
    )


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
