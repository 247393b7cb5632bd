"""Settings of networks: backbone, engine, features, packs, training."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from histotile.config.values import Positive, Section, Strength

_PORTION = 64  # tiles of a step over all of them that pass through the network together


class Backbone(Section):
    """The network below the head."""

    name: str = Field(
        description="timm model name, e.g. resnet18 or vit_small_patch16_224; `auto` where the "
        "weights bring their own network (hf-hub, local-dir, shipped). Also `lenet5`, `cnn3`, "
        "`alexnet` of lectures, and published pathology models such as UNI2-h (docs/networks.md)."
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
        "they are. 0: kept without loss, about three times as large, so that training sees "
        "exactly the pixels of the slide. Above 0 needs `use: always`."
    )

    @model_validator(mode="after")
    def _pixels_do_not_hang_on_speed(self) -> "Pack":
        if self.use == "auto" and self.quality:
            raise ValueError(
                "use: auto packs slides by the time they take, and quality above 0 changes their "
                "pixels, so speed would decide what is trained on; set quality: 0 or use: always"
            )
        return self


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


class Recipe(Section):
    """How a trained strategy learns."""

    optimizer: Literal["sgd", "adam", "adamw"] = Field(description="How steps are taken.")
    sgd_lr: Positive = Field(description="Peak learning rate of SGD.")
    adamw_lr: Positive | None = Field(
        description="Peak learning rate of AdamW, and of Adam. null: 0.001 for networks with batch "
        "norm, 0.0003 for others, such as transformers."
    )
    sgd_weight_decay: Annotated[float, Field(ge=0)] = Field(description="Weight decay of SGD.")
    adamw_weight_decay: Annotated[float, Field(ge=0)] = Field(
        description="Weight decay of AdamW. Adam has none."
    )
    layer_decay: Annotated[float, Field(gt=0, le=1)] = Field(
        description="Learning rate of a layer relative to the next deeper one. Below 1, early "
        "layers keep what they have learnt."
    )
    momentum: Annotated[float, Field(ge=0, lt=1)] = Field(
        description="Nesterov momentum of SGD. 0: plain SGD."
    )
    warm_up: Annotated[float, Field(ge=0, lt=1)] = Field(
        description="Share of all steps in which the rate rises to its peak; then it falls along "
        "half a cosine."
    )
    clip: Positive | None = Field(
        description="Length (L2 norm) to which longer gradients are cut. null: they are not."
    )
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(
        description="Share of features dropped at random before the head (drop_rate of timm). For "
        "overfitting."
    )
    mixup: Annotated[float, Field(ge=0)] = Field(
        description="Tiles are blended in pairs, and their losses likewise, in shares drawn from "
        "Beta(mixup, mixup), e.g. 0.2. For overfitting. 0: not."
    )


class Finetune(Recipe):
    """How a taught network learns on, gently."""

    lora_rank: Annotated[int, Field(ge=0)] = Field(
        description="Rank of low-rank additions (LoRA) to the attention projections of a "
        "transformer, e.g. 8: they and the head learn in place of all layers, and are merged into "
        "the weights at the end. For large transformers on few patients; `find-lr` finds their "
        "rate. 0: all layers learn."
    )


class Train(Section):
    """Training one fold."""

    strategy: Literal["auto", "linear_probe", "early_probe", "finetune", "retrain"] = Field(
        description="`auto`: what `decide` finds. `linear_probe`: frozen backbone, linear head, "
        "seconds. `early_probe`: linear head on early stages, too. `finetune`: all layers, gently. "
        "`retrain`: all layers, pre-trained weights as a start only. The last two take hours "
        "without a GPU."
    )
    early_probe: Literal["truncate", "retrain_tail"] = Field(
        description="`truncate`: stages that the head does not need are dropped, seconds. "
        "`retrain_tail`: later stages are trained over the frozen early ones."
    )
    finetune: Finetune
    retrain: Recipe
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
    patience: Annotated[int, Field(ge=1, strict=True)] | None = Field(
        description="null: training runs its planned course and the last state is kept, which on "
        "few patients is steadier than any epoch that their validation loss picks. A number: it "
        "stops after so many epochs without a better validation loss (more in proportion where "
        "`min_steps` adds passes), and the best epoch is kept."
    )
    batch_size: Annotated[int, Field(ge=1)] | Literal["all"] = Field(
        description="Most tiles per optimisation step; 1: stochastic descent; `all`: one step per "
        "pass, in portions that fit into memory. Changes the result, unlike that of prediction."
    )
    precision: Literal["auto", "32", "bf16", "16"] = Field(
        description="Number format. `auto`: bf16 where the GPU has it, else 32 bit."
    )
    tensorboard: bool = Field(description="Whether to write TensorBoard logs beside the CSV.")
    seed: int = Field(description="Seed of initialisation, sampling and augmentation.")

    @model_validator(mode="after")
    def _blends_two(self) -> "Train":
        for name in ("finetune", "retrain"):
            if getattr(self, name).mixup and self.batch_size == 1:
                raise ValueError(
                    f"{name}.mixup blends tiles of one batch, and batch_size: 1 has no two; set "
                    f"{name}.mixup: 0 or batch_size: 2"
                )
        return self

    @model_validator(mode="after")
    def _one_way_to_keep_weights(self) -> "Train":
        if self.early_probe == "retrain_tail" and self.finetune.lora_rank:
            raise ValueError(
                "early_probe: retrain_tail trains the later stages whole, by the recipe of "
                "finetune; set finetune.lora_rank: 0 or early_probe: truncate"
            )
        return self

    def trains_layers(self, strategy: str) -> bool:
        """Whether that strategy trains more than a head on cached features."""
        tail = strategy == "early_probe" and self.early_probe == "retrain_tail"
        return tail or strategy in {"finetune", "retrain"}

    @property
    def at_once(self) -> int:
        """Most tiles that pass through the network together."""
        return _PORTION if self.batch_size == "all" else self.batch_size
