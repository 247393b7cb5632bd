"""Settings of slides and tiles: inspect, mask, tile, split."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from histotile.config.values import Fraction, Meanings, Positive, Section


class Inspect(Section):
    """Opening a slide and finding its scale."""

    unknown_mpp: Literal["stop", "quarantine"] = Field(
        description="What to do with slides of unknown or impossible mpp. `stop` names them all at "
        "once; `quarantine` sets them aside with the reason. Quarantine when some loss is fine."
    )
    mpp_min: Positive = Field(
        description="Smallest believable mpp (um/px at level 0). Below it the scale counts as "
        "unknown. Lower it only for oil-immersion scans."
    )
    mpp_max: Positive = Field(
        description="Largest believable mpp (um/px at level 0). Raise it for cohorts stored at "
        "low resolution only."
    )
    max_anisotropy: Fraction = Field(
        description="Largest relative difference of mpp in x and y. Pixels less square than this "
        "distort every nucleus."
    )
    trust_objective_power: bool = Field(
        description="Whether 10 / objective power may stand in for a missing mpp (40x -> 0.25 "
        "um/px). Switch off where scanners are mixed: real values differ by up to 10 %."
    )


class Mask(Section):
    """Finding tissue on an overview image."""

    mpp: Positive = Field(
        description="Scale of the overview (um/px) on which tissue is sought. Lower it for needle "
        "biopsies thinner than 0.2 mm."
    )
    min_saturation: Fraction = Field(
        description="Floor of the saturation threshold (0-1), however low Otsu's falls. Raise it "
        "when yellowed glass is taken for tissue."
    )
    min_od: Positive = Field(
        description="Sum of optical density (R+G+B, base 10) that counts as tissue whatever its "
        "saturation. Lower it for very pale or fatty tissue."
    )
    min_contrast: Fraction = Field(
        description="Least spread of saturation between glass and tissue (0-1). Below it a slide "
        "counts as empty instead of being split into two halves of nothing."
    )
    exclude_pen: bool = Field(
        description="Whether pen strokes are cut out of the mask. They are known by their form, "
        "evenness and distance from the slide's own colours, not by a colour; `mask` says what "
        "share of the stained area was taken for them. Switch off where that is tissue."
    )
    min_object_um2: Annotated[float, Field(ge=0)] = Field(
        description="Smallest piece of tissue kept (um2). Lower it for cytology."
    )
    max_hole_um2: Annotated[float, Field(ge=0)] = Field(
        description="Largest hole that is filled (um2). Zero keeps every lumen out of the mask."
    )


class Quality(Section):
    """Marking tiles with artefacts."""

    max_blur_z: Positive = Field(
        description="A tile is marked blurred when its sharpness lies this many robust standard "
        "deviations below the median of its slide. Raise it when sharp fat or mucus is marked."
    )
    max_pen_fraction: Fraction = Field(
        description="Share of a tile under pen strokes of the slide's overview above which it is "
        "marked as pen. Of ready-made tiles: under large even areas of no stain's colour."
    )
    max_fold_fraction: Fraction = Field(
        description="Share of very dark, saturated pixels above which a tile is marked as fold."
    )
    exclude: tuple[Literal["blur", "pen", "fold"], ...] | None = Field(
        description="Marks that keep a tile out of training and prediction. Empty: marks are only "
        "counted and shown. null: `[pen]` for slides, whose overview shows strokes, and empty for "
        "ready-made tiles, which do not."
    )


class Labels(Section):
    """Where the label of a tile comes from."""

    source: Literal["annotation", "slide"] = Field(
        description="`annotation`: outlines say which tiles show what, and slides without outlines "
        "give labels only if they are labelled with `outside`. `slide`: every tile inherits the "
        "label of its slide (weak labels; every report says so)."
    )
    names: Meanings = Field(
        description="Names used in the annotation files -> class. Names that look the same are the "
        "same; classes need no entry. Tiles in outlines of other names get no label, and the run "
        "names these; so do those in names that end in an asterisk (QuPath's `Ignore*`)."
    )
    outside: str | None = Field(
        description="Class of tissue outside all outlines, whatever these are called. null when "
        "annotations are incomplete: such tiles are then not used for training."
    )
    positive_overlap: Fraction = Field(
        description="Least share of a tile inside an outline for the tile to take its class."
    )
    negative_overlap: Fraction = Field(
        description="Largest share of a tile inside outlines for the tile to count as outside. "
        "Tiles between the two limits get no label."
    )

    @model_validator(mode="after")
    def _ordered(self) -> "Labels":
        if self.negative_overlap >= self.positive_overlap:
            raise ValueError("negative_overlap must be smaller than positive_overlap")
        return self


class Tile(Section):
    """Cutting a slide into a table of tiles."""

    mpp: Positive = Field(
        description="Scale of the tiles (um/px). 0.5 is the usual 20x; 1.0 sees more context per "
        "tile and is four times faster. Never below the slides' own mpp. Of ready-made tiles it is "
        "yours to state."
    )
    tile_px: Annotated[int, Field(ge=16, le=4096)] = Field(
        description="Side of a tile as the network sees it (px). 224 suits most backbones."
    )
    stride_px: Annotated[int, Field(ge=1)] = Field(
        description="Distance between neighbouring tiles (px at the tiles' mpp). Equal to tile_px: "
        "no overlap; half of it: smoother heatmaps at four times the cost."
    )
    min_tissue_fraction: Fraction = Field(
        description="Least share of a tile that is tissue. Lower it for fragmented tissue."
    )
    labels: Labels
    quality: Quality


class Split(Section):
    """Dividing patients into folds."""

    folds: Annotated[int, Field(ge=2, le=50)] = Field(
        description="Number of cross-validation folds. Each class needs at least as many patients."
    )
    val_fraction: Annotated[float, Field(gt=0, lt=0.6)] = Field(
        description="Share of a fold's training patients kept for validation: curves, whether "
        "a training betters its probe, and when train.patience ends it."
    )
    test_patients: tuple[str, ...] = Field(
        description="patient_ids held out of all folds as a fixed test set, predicted by the "
        "ensemble of all folds. Empty: cross-validation alone."
    )
    preserve_sites: bool = Field(
        description="Whether a site never stands in two folds. Switch on when sites differ in "
        "stain or in how often a label occurs (Howard et al. 2021)."
    )
    seed: int = Field(description="Seed of the shuffle among equally good divisions.")
