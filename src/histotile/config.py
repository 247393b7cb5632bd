"""Every setting: its name, type, unit, bounds, and when to change it.

Values stand in config/config.yaml alone: no field of a section has a default here. A section is
named after the rule that uses it; a job receives its whole section as JSON on its command line.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from histotile.config_values import Meanings, Place, Reasons, Section
from histotile.names import nearest

Strength = Literal["off", "light", "medium", "heavy"]
Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]


class Engine(Section):
    """What runs the networks. It changes speed, and results by rounding, see `max_difference`."""

    name: Literal["auto", "torch", "openvino", "onnxruntime"] = Field(
        description="`auto`: PyTorch on a GPU, else OpenVINO. Name one to compare, or where "
        "another fails. OpenVINO and ONNX Runtime start in a second; PyTorch takes five."
    )
    precision: Literal["auto", "float32"] = Field(
        description="`auto`: 16-bit floats for predictions where the hardware is faster with them "
        "and `max_difference` holds. Features are always computed in 32 bit."
    )
    max_difference: Annotated[float, Field(gt=0, le=0.1)] = Field(
        description="Largest difference of probabilities between 16 and 32 bit on the first 64 "
        "tiles of each slide; beyond it that slide is predicted in 32 bit. Later tiles may differ "
        "by more."
    )
    compile: bool = Field(
        description="Whether PyTorch compiles the network first: a minute per job, so only for "
        "large slides on a GPU. Networks that make features are never compiled."
    )


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
    domain: Literal["auto", "natural", "pathology"] = Field(
        description="What the weights were learnt on. `pathology`: counts as similar, and a linear "
        "head is preferred. `auto` knows the published pathology models by name."
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


class Embed(Section):
    """Keeping features of every tile."""

    views: Annotated[int, Field(ge=0, le=16)] = Field(
        description="Randomly changed copies of each tile (train.augment) whose features are kept "
        "too, for heads that must bear other stains. Each costs as much time as the tile itself."
    )
    seed: int = Field(description="Seed of the changes.")


class Pack(Section):
    """Keeping the pixels of labelled tiles in one file per slide, for training."""

    use: Literal["never", "auto", "always"] = Field(
        description="`auto`: slides whose tiles are read at least twice as fast from a pack. That "
        "is measured from memory: on slow storage say `always`. Worth its space when many epochs "
        "read more tiles than fit into memory. Ready-made tiles are one read each already: they "
        "are never packed."
    )
    quality: Annotated[int, Field(ge=0, le=100)] = Field(
        description="JPEG quality of tiles off the slide's own grid; those on it are copied as "
        "they are. 0: kept without loss, about three times as large, so that training sees the "
        "very pixels of the slide. Above 0 needs `use: always`."
    )

    @model_validator(mode="after")
    def _pixels_do_not_hang_on_speed(self) -> "Pack":
        if self.use == "auto" and self.quality:
            raise ValueError(
                "use: auto packs slides by the time they take, and quality above 0 changes their "
                "pixels, so speed would decide what is trained on; set quality: 0 or use: always"
            )
        return self


class Control(Section):
    """What the backbone is held against: itself with random weights, and colour alone."""

    max_tiles: Annotated[int, Field(ge=64)] = Field(
        description="Labelled tiles, spread evenly over patients and classes, on which the "
        "transfer of features is measured. More narrow the intervals of large cohorts."
    )
    ruler: str | None = Field(
        description="JSON written by `histotile ruler` for this backbone: what a shift of "
        "batch-norm statistics means. null: that shift is shown, and decides nothing."
    )
    seed: int = Field(description="Seed of the random weights and of the choice of tiles.")


class SizeRule(Section):
    """When a cohort is small, borderline or large."""

    icc_prior: Fraction = Field(
        description="Likeness of tiles of one patient (intra-class correlation) where fewer than "
        "5 patients leave it unmeasured."
    )
    small_neff: Positive = Field(
        description="Fewer effective tiles than this in some class: small."
    )
    small_patients: Annotated[int, Field(ge=1)] = Field(
        description="Fewer patients than this in some class: small."
    )
    large_neff: Positive = Field(
        description="At least this many effective tiles in each class, and `large_patients`: large."
    )
    large_patients: Annotated[int, Field(ge=1)] = Field(
        description="At least this many patients in each class, and `large_neff`: large."
    )


class SimilarityRule(Section):
    """When features transfer as they are."""

    depth_tolerance: Fraction = Field(
        description="Small cohorts: how far (AUROC) the last stage may lie below the best one. "
        "Beyond it the head moves to the best stage."
    )
    min_gain: Annotated[float, Field(ge=-10, le=1)] = Field(
        description="Large cohorts: least gain of the last stage over random weights, "
        "(a - r) / (1 - r) of the AUROCs, for gentle steps. -0.6: it makes 60 % more errors than "
        "they do, which fine-tuning still mends."
    )
    min_gain_borderline: Annotated[float, Field(ge=-10, le=1)] = Field(
        description="Cohorts neither small nor large count as large from this gain on, else as "
        "small. 1: always small. -10: always large."
    )
    min_best_gain: Annotated[float, Field(ge=-10, le=1)] = Field(
        description="Gain of the best stage below which, if its whole 95 % interval lies below 0, "
        "no stage is worth keeping: the weights are only a start, in cohorts of any size."
    )
    saturated: Fraction = Field(
        description="AUROC of the best stage from which, if the last one is as good, there is "
        "nothing to gain: similar, and the cheapest cell."
    )
    min_patients: Annotated[int, Field(ge=1)] = Field(
        description="Small cohorts: fewer patients in some class leave similarity undecided."
    )
    max_interval: Fraction = Field(
        description="Small cohorts: a wider 95 % interval of last minus best earlier stage, if it "
        "holds zero, leaves similarity undecided."
    )


class Alarms(Section):
    """When a leak or a shortcut is reported."""

    stop: bool = Field(
        description="Whether an error (not a warning) stops training. Switch off only to see what "
        "a leak does."
    )
    max_near_duplicates: Fraction = Field(
        description="Share of tiles with a near duplicate under another patient above which it is "
        "an error."
    )
    duplicate_cosine: Fraction = Field(
        description="Likeness of features (cosine, after whitening on the cohort) from which two "
        "tiles of like picture hash count as near duplicates. Copies saved anew reach 0.6 to 1, "
        "other tiles hardly 0.7."
    )
    max_association: Fraction = Field(
        description="Association (Cramer's V) of label with site, file format or mpp from which to "
        "warn."
    )


class Decide(Section):
    """Choosing the strategy of transfer learning."""

    size: SizeRule
    similarity: SimilarityRule
    alarms: Alarms
    folds: Annotated[int, Field(ge=2, le=20)] = Field(
        description="Folds of the probes' cross-validation by patient."
    )
    repeats: Annotated[int, Field(ge=1, le=20)] = Field(
        description="Times the probes' cross-validation is repeated with other folds."
    )
    bootstraps: Annotated[int, Field(ge=20)] = Field(
        description="Resamples of patients behind intervals and the cloud of decisions."
    )
    seed: int = Field(description="Seed of folds and resamples.")


class Verify(Section):
    """Checking the decision against the other cells."""

    budget: Literal["off", "probe", "full"] = Field(
        description="`probe`: the cells that learn from cached features, minutes on a laptop. "
        "`full`: all four cells in every fold, for cohorts worth the time. `off`: none."
    )
    margin: Fraction = Field(
        description="Regret (AUROC) that does not matter. Above it for certain: contradicted."
    )
    bootstraps: Annotated[int, Field(ge=100)] = Field(
        description="Resamples of patients behind the interval of the regret."
    )
    seed: int = Field(description="Seed of the resamples.")


class Recipe(Section):
    """How a trained cell learns."""

    optimiser: Literal["auto", "sgd", "adamw"] = Field(
        description="`auto`: SGD with Nesterov momentum for networks with batch norm, else AdamW."
    )
    sgd_rate: Positive = Field(description="Peak learning rate of SGD.")
    adamw_rate: Positive = Field(description="Peak learning rate of AdamW.")
    sgd_decay: Annotated[float, Field(ge=0)] = Field(description="Weight decay of SGD.")
    adamw_decay: Annotated[float, Field(ge=0)] = Field(description="Weight decay of AdamW.")
    layer_decay: Annotated[float, Field(gt=0, le=1)] = Field(
        description="Learning rate of a layer relative to the next deeper one. Below 1, early "
        "layers keep what they have learnt."
    )


class Train(Section):
    """Training one fold."""

    strategy: Literal["auto", "fixed", "early_fixed", "finetune", "init"] = Field(
        description="`auto`: what `decide` finds. `fixed`: frozen backbone, linear head, seconds. "
        "`early_fixed`: linear head on an early stage. `finetune`: all layers, gently. `init`: all "
        "layers, pre-trained weights as a start only. The last two take hours without a GPU."
    )
    early_fixed: Literal["truncate", "retrain_tail"] = Field(
        description="`truncate`: later stages are dropped, seconds. `retrain_tail`: later stages "
        "are trained over the frozen early ones."
    )
    finetune: Recipe
    init: Recipe
    augment: Augment
    max_tiles_per_slide: Annotated[int, Field(ge=1)] = Field(
        description="Tiles drawn per slide and class for training. Tiles of one slide are alike: "
        "more than some hundred add time and little else."
    )
    class_weights: bool = Field(
        description="Whether rare classes weigh more. Switch off to learn the cohort's prevalence."
    )
    epochs: Annotated[int, Field(ge=1)] = Field(
        description="Most passes over the training tiles, unless `min_steps` asks for more."
    )
    min_steps: Annotated[int, Field(ge=0)] = Field(
        description="Passes are added until this many optimisation steps are planned: small "
        "cohorts need more passes."
    )
    patience: Annotated[float, Field(gt=0, le=1)] = Field(
        description="Share of the planned epochs without a better validation loss before training "
        "stops."
    )
    batch_size: Annotated[int, Field(ge=1)] = Field(
        description="Most tiles per optimisation step. Changes the result, unlike that of "
        "prediction."
    )
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
    tumour_share: Annotated[float, Field(gt=0, le=1)] = Field(
        description="Share of the nuclei inside a focus that are the tumour's own, the rest being "
        "usual ones. 1: all. 0.3 makes tiles hard to tell, as in sparsely infiltrated tissue."
    )
    shift: Fraction = Field(
        description="How far the cohort is from what histology backbones know. 0: H&E, where the "
        "form of nuclei tells. 1: chromogenic in-situ hybridisation, where the number of grains "
        "on nuclei of equal form tells. Between: mixtures of both."
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
    format_label_confounding: Fraction = Field(
        description="Share of patients whose label decides their file format: SVS when diseased."
    )
    stain_label_shift: Annotated[float, Field(ge=0, le=2)] = Field(
        description="How much stronger the slides of diseased patients are stained, lesion or not. "
        "0.5: half as strong again, a shortcut that colour alone can take."
    )
    duplicate_slides: Fraction = Field(
        description="Share of patients whose slide is a copy of another patient's, saved anew."
    )
    near_duplicate_rate: Fraction = Field(
        description="Share of a slide's tissue that also stands, rescanned, on the slide of "
        "another patient; among healthy patients alone, so that outlines stay true."
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

    cohort: Place = Field(
        description="The cohort file. Or ready-made tiles: a folder with one sub-folder per class "
        "(groups, i.e. patients, above or below), or a CSV of path, label and optionally group, "
        "site, split. Relative paths count from where you start."
    )
    results: Place = Field(description="Folder of all results.")
    classes: tuple[str, ...] = Field(
        min_length=2,
        description="Class names in order. The first is the background (healthy), the last the one "
        "that heatmaps show.",
    )
    backbone: Backbone
    engine: Engine
    inspect: Inspect
    mask: Mask
    tile: Tile
    split: Split
    embed: Embed
    pack: Pack
    control: Control
    decide: Decide
    train: Train
    verify: Verify
    aggregate: Aggregate
    evaluate: Evaluate
    heatmap: Heatmap
    report: Report
    export: Export
    apply: Apply
    synthesize: Synthesize
    pretrain: Pretrain
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
        used: list[tuple[str, str | None]] = []
        used += [(f"tile.labels.names.{name}", to) for name, to in labels.names.items()]
        used += [("tile.labels.outside", labels.outside)]
        used += [("heatmap.class_name", self.heatmap.class_name)]
        wrong = [
            f"`{key}`: {name!r} is none of `classes` ({', '.join(self.classes)})"
            + (f"; did you mean {near!r}?" if (near := nearest(name, self.classes)) else "")
            for key, name in used
            if name is not None and name not in self.classes
        ]
        if wrong:
            raise ValueError("\n".join(wrong))
        return self
