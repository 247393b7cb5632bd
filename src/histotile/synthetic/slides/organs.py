"""Organs: what tissue is made of, and how far a tumour differs from it."""

from dataclasses import dataclass
from typing import Literal

from histotile.synthetic.slides.fields import Look
from histotile.synthetic.slides.nuclei import Nuclei

Mode = Literal["easy", "hard", "iso_colour"]


@dataclass(frozen=True)
class Organ:
    """Sizes in micrometres, stain as concentration (1: a well stained nucleus), shares 0-1."""

    nucleus_um: float = 6.6  # diameter
    tumour_scale: float = 1.5  # tumour nuclei are this much wider
    spacing_um: float = 8.6  # lattice of nuclei
    stroma_density: float = 0.22
    epithelium_density: float = 0.72
    epithelium_share: float = 0.5
    epithelium_um: float = 110.0
    gland_um: float = 95.0  # lattice of glands
    gland_rate: float = 0.5
    lumen_um: float = 22.0  # largest radius
    fat_share: float = 0.15
    fibre_um: float = 200.0  # wavelength of the bundles' waves
    spindle: float = 1.4
    stroma_e: float = 0.62
    fibre_e: float = 0.17
    epithelium_e: float = 0.46
    stroma_h: float = 0.05
    epithelium_h: float = 0.24


def organs() -> dict[str, Organ]:
    """The organs that can be made, by name."""
    return {
        "breast": Organ(),
        "colon": Organ(
            nucleus_um=6.0,
            epithelium_share=0.68,
            gland_um=72.0,
            gland_rate=0.85,
            lumen_um=17.0,
            fat_share=0.03,
            stroma_density=0.34,
            epithelium_e=0.38,
        ),
        "skin": Organ(
            nucleus_um=7.2,
            tumour_scale=1.55,
            epithelium_share=0.32,
            epithelium_um=160.0,
            gland_rate=0.2,
            lumen_um=16.0,
            fat_share=0.4,
            stroma_density=0.14,
            stroma_e=0.8,
            fibre_e=0.24,
            fibre_um=120.0,
        ),
        "brain": Organ(
            nucleus_um=6.2,
            tumour_scale=1.75,
            spacing_um=10.5,
            epithelium_share=0.4,
            gland_rate=0.12,
            lumen_um=11.0,
            fat_share=0.8,
            stroma_density=0.16,
            epithelium_density=0.45,
            stroma_e=0.45,
            fibre_e=0.07,
            epithelium_e=0.42,
            spindle=0.2,
        ),
        "liver": Organ(
            nucleus_um=7.0,
            tumour_scale=1.6,
            spacing_um=11.0,
            epithelium_share=0.85,
            gland_rate=0.35,
            lumen_um=12.0,
            fat_share=0.6,
            epithelium_density=0.62,
            epithelium_e=0.72,
            epithelium_h=0.2,
            stroma_e=0.6,
        ),
    }


@dataclass(frozen=True)
class Tumour:
    """How a tumour differs from its surroundings.

    `share` is the share of the nuclei in it that are its own; with `shift` differences of form and
    of stain fade, until grains alone tell it apart (see `chromogen`).
    """

    mode: Mode
    everywhere: bool = False
    share: float = 1.0
    shift: float = 0.0

    @property
    def shown(self) -> float:
        """How much of its differences shows."""
        return (0.35 if self.mode == "hard" else 1.0) * (1 - self.shift)


def make_look(organ: Organ, tumour: Tumour, mpp: float, side_px: float) -> Look:
    """The kernels' parameters of an organ at a scale.

    Args:
        organ: What tissue is made of.
        tumour: In `easy` and `hard` mode it loses eosin; in `iso_colour` only nuclei change.
        mpp: Micrometres per pixel.
        side_px: Side of the tissue, which sets how rough its outline is.
    """
    um, iso = 1 / mpp, tumour.mode == "iso_colour"
    return Look(
        pixel=0.5 * um,
        tissue_wave=0.22 * side_px,
        epithelium_wave=organ.epithelium_um * um,
        epithelium_share=organ.epithelium_share,
        warp_wave=organ.fibre_um * um,
        unevenness=0.09,
        gland_cell=organ.gland_um * um,
        gland_rate=organ.gland_rate,
        gland_radius=organ.lumen_um * um,
        gland_wall=1.5 * organ.nucleus_um * um,
        fat_share=organ.fat_share,
        stroma_e=organ.stroma_e,
        fibre_e=organ.fibre_e,
        epithelium_e=organ.epithelium_e,
        stroma_h=organ.stroma_h,
        epithelium_h=organ.epithelium_h,
        nucleus_h=1.15,
        lesion_soft=12.0 * um,
        lesion_everywhere=1.0 if tumour.everywhere else 0.0,
        tumour_share=tumour.share,
        lesion_blue=-0.1 * tumour.shown if iso else 0.0,
        lesion_e_loss=0.0 if iso else 0.3 * tumour.shown,
    )


def make_nuclei(
    organ: Organ, tumour: Tumour, mpp: float, size: float, density: float
) -> tuple[Nuclei, Nuclei]:
    """The usual and the tumour's nuclei.

    In `iso_colour` the tumour's lattice is as much wider as its nuclei, so that they cover the
    same area with the same grey values: mean and spread of both stains stay, form changes.

    Args:
        organ: What tissue is made of.
        tumour: How it differs.
        mpp: Micrometres per pixel.
        size: The patient's effect on the nuclei's diameter (1: none).
        density: The patient's effect on their number (1: none).
    """
    um, shown = 1 / mpp, tumour.shown
    usual = Nuclei(
        salt=100,
        in_lesion=False,
        cell=organ.spacing_um * um,
        radius=0.5 * organ.nucleus_um * size * um,
        radius_cv=0.1,
        stroma_density=min(1.0, organ.stroma_density * density),
        epithelium_density=min(1.0, organ.epithelium_density * density),
        spindle=organ.spindle,
        gain=0.95,
        atypia=0.0,
        wall=1.5 * organ.nucleus_um * um,
    )
    scale, cv = 1 + (organ.tumour_scale - 1) * shown, 0.1 + 0.1 * shown
    atypical = usual._replace(
        salt=200,
        in_lesion=True,
        radius=usual.radius * scale,
        radius_cv=cv,
        spindle=0.0,
        atypia=shown,
    )
    if tumour.mode == "iso_colour":
        wider = scale * ((1 + cv**2) / (1 + usual.radius_cv**2)) ** 0.5
        return usual, atypical._replace(cell=usual.cell * wider)
    more = 1 + 0.5 * shown
    return usual, atypical._replace(
        cell=usual.cell * (1 + 0.15 * shown),
        gain=usual.gain * (1 + 0.15 * shown),
        stroma_density=min(1.0, usual.stroma_density * more * (1 + shown)),
        epithelium_density=min(1.0, usual.epithelium_density * more),
    )
