"""Settings of synthetic slides and of pre-training on drawn pictures."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from histotile.config.values import Fraction, Positive, Section


class SyndromeTiles(Section):
    """Small pictures in place of slides: `histotile synthesize --tiles 96x128`."""

    count: Annotated[int, Field(ge=4)] = Field(description="Number of pictures.")
    patients: Annotated[int, Field(ge=4)] = Field(
        description="Number of patients, each with one syndrome: Z (none), A (1-2 big tumours, 0-2 "
        "medium ones), B (4-8 medium, 0-3 small), C (20-48 small)."
    )
    stain: Literal["grey", "h_and_e"] = Field(
        description="Grey pictures with bright tumours, or haematoxylin and eosin."
    )
    mode: Literal["easy", "hard"] = Field(
        description="`hard`: fainter tumours, coarser texture, stronger alterations."
    )
    alteration: Annotated[float, Field(ge=0, le=2)] = Field(
        description="Strength of shrinking, moving, ghosts, contrast, shade and noise. 0: none."
    )
    patient_effect: Annotated[float, Field(ge=0, le=2)] = Field(
        description="How far patients differ in base picture and stain. 0: not at all."
    )

    @model_validator(mode="after")
    def _every_patient_has_a_picture(self) -> "SyndromeTiles":
        if self.count < self.patients:
            raise ValueError(f"{self.count} pictures are too few for {self.patients} patients")
        return self


class Synthesize(Section):
    """Making synthetic H&E slides with known truth: `histotile synthesize`."""

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
    tiles: SyndromeTiles


class Pretrain(Section):
    """Making the small shipped backbones again: `histotile pretrain`."""

    rounds: Annotated[int, Field(ge=1)] = Field(description="Rounds; each draws new pictures.")
    round_pictures: Annotated[int, Field(ge=2)] = Field(description="Pictures per round.")
    passes: Annotated[int, Field(ge=1)] = Field(
        description="Times a round's pictures are learnt. Raise it where drawing is slower than "
        "learning."
    )
    tile_px: Annotated[int, Field(ge=32, le=512)] = Field(description="Side of a picture (px).")
    batch_size: Annotated[int, Field(ge=2)] = Field(description="Pictures per optimisation step.")
    lr: Positive = Field(description="Peak learning rate (AdamW).")
    weight_decay: Annotated[float, Field(ge=0)] = Field(description="Decay of AdamW.")
    precision: Literal["32", "bf16"] = Field(
        description="Number format. bf16 is twice as fast where the processor has it (AMX), and "
        "slow elsewhere."
    )
    seed: int = Field(description="Seed of pictures and initialisation.")


class Synthetic(Section):
    """The whole of synthetic.yaml, which no rule of the workflow reads."""

    synthesize: Synthesize
    pretrain: Pretrain
