"""Every setting: its name, type, unit, bounds, and when to change it.

Values stand in config/config.yaml alone: no field of a section has a default here. A section is
named after the rule that uses it; a job receives its whole section as JSON on its command line.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Strength = Literal["off", "light", "medium", "heavy"]
Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]


class Section(BaseModel):
    """A frozen group of settings that knows no other keys than its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)


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
        description="Whether green, blue, red and black ink is cut out of the mask. Switch off for "
        "stains that look like ink (Giemsa, Masson)."
    )
    min_object_um2: Annotated[float, Field(ge=0)] = Field(
        description="Smallest piece of tissue kept (um2). Lower it for cytology."
    )
    max_hole_um2: Annotated[float, Field(ge=0)] = Field(
        description="Largest hole that is filled (um2). Zero keeps every lumen out of the mask."
    )


class Labels(Section):
    """Where the label of a tile comes from."""

    source: Literal["annotation", "slide"] = Field(
        description="`annotation`: outlines say which tiles show what, and slides without outlines "
        "give labels only if they are labelled with `outside`. `slide`: every tile inherits the "
        "label of its slide (weak labels; every report says so)."
    )
    names: dict[str, str] = Field(
        description="Names used in the annotation files -> class. Names compare without regard to "
        "case; classes themselves need no entry; other names are ignored and counted."
    )
    outside: str | None = Field(
        description="Class of tissue outside all outlines. null when annotations are incomplete: "
        "such tiles are then not used for training."
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


class Quality(Section):
    """Marking tiles with artefacts."""

    max_blur_z: Positive = Field(
        description="A tile is marked blurred when its sharpness lies this many robust standard "
        "deviations below the median of its slide. Raise it when sharp fat or mucus is marked."
    )
    max_pen_fraction: Fraction = Field(
        description="Share of ink-coloured pixels above which a tile is marked as pen."
    )
    max_fold_fraction: Fraction = Field(
        description="Share of very dark, saturated pixels above which a tile is marked as fold."
    )
    exclude: tuple[Literal["blur", "pen", "fold"], ...] = Field(
        description="Marks that keep a tile out of training and prediction. Empty: marks are only "
        "counted and shown."
    )


class Tile(Section):
    """Cutting a slide into a table of tiles."""

    mpp: Positive = Field(
        description="Scale of the tiles (um/px). 0.5 is the usual 20x; 1.0 sees more context per "
        "tile and is four times faster. Never below the slides' own mpp."
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
        description="Share of a fold's training patients kept for early stopping."
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


class Backbone(Section):
    """The network below the head."""

    name: str = Field(
        description="timm model name, e.g. resnet18 or vit_small_patch16_224; `auto` where the "
        "weights bring their own network (hf-hub, local-dir, shipped)."
    )
    weights: str = Field(
        description="`imagenet` (timm's own, from the hub), `hf-hub:org/name`, `local-dir:/folder` "
        "(config.json + model.safetensors), a .safetensors or .pth file, `shipped:natural` or "
        "`shipped:histology` (small ones trained by this project; they bring their own network), "
        "or `none` (random)."
    )
    options: dict[str, Any] = Field(
        description="Further arguments of timm.create_model, for weights from other libraries: "
        "{pad_type: same, pretrained_cfg_overlay: {mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}}."
    )


class Augment(Section):
    """Random changes of training tiles; validation and test tiles are never changed."""

    orientation: Literal["d4", "flip", "off"] = Field(
        description="`d4`: the 8 mirror images and quarter turns, right for tissue."
    )
    resized_crop: Strength = Field(description="Crops resized to tile_px: a change of mpp.")
    perspective: Strength = Field(description="Slight oblique views.")
    colour: Strength = Field(description="Brightness, contrast, saturation and hue.")
    stain: Strength = Field(
        description="Haematoxylin and eosin strength (HED space). Raise it when new slides come "
        "from other laboratories."
    )
    erasing: Strength = Field(description="Rectangles filled with the tile's mean colour.")


class Train(Section):
    """Training one fold."""

    strategy: Literal["fixed", "finetune"] = Field(
        description="`fixed`: frozen backbone, linear head on cached features, seconds. "
        "`finetune`: all layers, hours without a GPU; for large cohorts."
    )
    augment: Augment
    max_tiles_per_slide: Annotated[int, Field(ge=1)] = Field(
        description="Tiles drawn per slide and class for training. Tiles of one slide are alike: "
        "more than some hundred add time and little else."
    )
    class_weights: bool = Field(
        description="Whether rare classes weigh more. Switch off to learn the cohort's prevalence."
    )
    epochs: Annotated[int, Field(ge=1)] = Field(description="Most passes over the training tiles.")
    patience: Annotated[int, Field(ge=1)] = Field(
        description="Epochs without a better validation loss before training stops."
    )
    batch_size: Annotated[int, Field(ge=1)] = Field(
        description="Tiles per optimisation step. Changes the result, unlike that of prediction."
    )
    learning_rate: Positive = Field(
        description="Peak learning rate of `finetune` (AdamW). Small, so as not to distort "
        "pre-trained weights."
    )
    weight_decay: Annotated[float, Field(ge=0)] = Field(description="Decay of AdamW.")
    precision: Literal["auto", "32", "bf16", "16"] = Field(
        description="Number format. `auto`: bf16 where the GPU has it, else 32 bit."
    )
    tensorboard: bool = Field(description="Whether to write TensorBoard logs beside the CSV.")
    seed: int = Field(description="Seed of initialisation, sampling and augmentation.")


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
    threshold: Fraction = Field(description="Probability at which the contour is drawn.")
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
        description="Most probable tiles shown per slide."
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

    slides: str = Field(description="Cohort file of the new slides; needs no labels.")
    model: str = Field(description="Folder of trained folds, one fold, or an exported timm folder.")


class Synthesize(Section):
    """Making synthetic H&E slides with known truth: `histotile synthesize`. No rule uses it."""

    slides: Annotated[int, Field(ge=1)] = Field(description="Number of slides.")
    patients: Annotated[int, Field(ge=1)] = Field(
        description="Number of patients, half of them healthy; each has 1 to 3 slides."
    )
    sites: Annotated[int, Field(ge=1)] = Field(
        description="Number of laboratories, each with its own stain and glass."
    )
    side_px: Annotated[int, Field(ge=256, le=1_000_000)] = Field(
        description="Width and height of a slide (level-0 px). Time and bytes grow with its square."
    )
    mpp: Annotated[float, Field(ge=0.1, le=4)] = Field(
        description="Scale of level 0 (um/px): 0.5 as of a 20x, 0.25 as of a 40x objective."
    )
    tissue_fraction: Annotated[float, Field(gt=0, le=0.6)] = Field(
        description="Share of a slide that is tissue. Near 0.55 a biopsy fills the slide; tiny "
        "shares make huge sparse slides in a minute, for tests of memory."
    )
    task: Literal["binary", "syndrome"] = Field(
        description="Labels of slides. `binary`: healthy or tumour. `syndrome`: healthy, A (few "
        "big foci), B (several medium ones) or C (many small ones), told apart by foci alone."
    )
    mode: Literal["easy", "hard", "iso_colour"] = Field(
        description="How tumours differ. `easy`: darker, denser, larger nuclei; mean colour solves "
        "it. `hard`: a third of that. `iso_colour`: size, form and chromatin of nuclei alone, at "
        "equal mean and spread of colour; the honest test of a network."
    )
    organ: Literal["breast", "colon", "skin", "brain", "liver"] = Field(
        description="Family of tissue: glands, fat, fibres, size of nuclei. The shipped histology "
        "backbone has seen all but breast."
    )
    flavour: Literal["tiff", "svs", "mixed"] = Field(
        description="File format: generic pyramidal TIFF, Aperio SVS, or both in turn."
    )
    jpeg_quality: Annotated[int, Field(ge=30, le=100)] = Field(
        description="JPEG quality of the slides. Scanners use 70 to 90."
    )
    site_effect: Annotated[float, Field(ge=0, le=3)] = Field(
        description="How far laboratories differ in stain and glass. 0: not at all; 1: as usual."
    )
    patient_effect: Annotated[float, Field(ge=0, le=3)] = Field(
        description="How far patients differ in size and number of nuclei. 1: SD 5 % and 15 %."
    )
    site_label_confounding: Fraction = Field(
        description="Share of patients whose label decides their laboratory. 0: balanced; raise it "
        "to see whether leaks between site and label are noticed."
    )
    artefact_rate: Fraction = Field(
        description="Probability of a pen stroke, of a fold and of a blurred place on each slide."
    )
    seed: int = Field(description="Seed of everything; the same seed gives the same cohort.")


class Pretrain(Section):
    """Making the small shipped backbones again: `histotile pretrain`. No rule uses it."""

    rounds: Annotated[int, Field(ge=1)] = Field(description="Rounds; each draws new pictures.")
    round_pictures: Annotated[int, Field(ge=2)] = Field(description="Pictures per round.")
    passes: Annotated[int, Field(ge=1)] = Field(
        description="Times a round's pictures are learnt. Raise it where drawing is slower than "
        "learning."
    )
    tile_px: Annotated[int, Field(ge=32, le=512)] = Field(description="Side of a picture (px).")
    batch_size: Annotated[int, Field(ge=2)] = Field(description="Pictures per optimisation step.")
    learning_rate: Positive = Field(description="Peak learning rate (AdamW).")
    weight_decay: Annotated[float, Field(ge=0)] = Field(description="Decay of AdamW.")
    precision: Literal["32", "bf16"] = Field(
        description="Number format. bf16 is twice as fast where the processor has it (AMX), and "
        "slow elsewhere."
    )
    seed: int = Field(description="Seed of pictures and initialisation.")


class Config(Section):
    """The whole of config.yaml."""

    cohort: str = Field(description="The cohort file. Relative paths count from where you start.")
    results: str = Field(description="Folder of all results.")
    classes: tuple[str, ...] = Field(
        min_length=2,
        description="Class names in order. The first is the background (healthy), the last the one "
        "that heatmaps show.",
    )
    backbone: Backbone
    inspect: Inspect
    mask: Mask
    tile: Tile
    split: Split
    train: Train
    aggregate: Aggregate
    evaluate: Evaluate
    heatmap: Heatmap
    report: Report
    export: Export
    apply: Apply
    synthesize: Synthesize
    pretrain: Pretrain

    @model_validator(mode="after")
    def _classes_agree(self) -> "Config":
        if len(set(self.classes)) < len(self.classes):
            raise ValueError(f"classes: {list(self.classes)} names a class twice")
        used: set[str | None] = {
            *self.tile.labels.names.values(),
            self.tile.labels.outside,
            self.heatmap.class_name,
        }
        unknown = sorted(name for name in used if name is not None and name not in self.classes)
        if unknown:
            raise ValueError(f"{unknown} are not among classes {list(self.classes)}")
        return self
