"""Everything that determines the pixels of a synthetic slide."""

from dataclasses import dataclass, field
from typing import Literal

from histotile.synthetic.slides.lesions import Scenario
from histotile.synthetic.slides.organs import Mode
from histotile.synthetic.slides.stains import Site


@dataclass(frozen=True)
class Graft:
    """A square of a slide that shows another slide, at the same place (level-0 px)."""

    spec: "Spec"
    x: int
    y: int
    side: int

    def overlap(self, x: int, y: int, width: int, height: int) -> tuple[int, int, int, int] | None:
        """Left, top, right, bottom (level-0 px) of what it covers of a window, if anything."""
        left, top = max(x, self.x), max(y, self.y)
        right = min(x + width, self.x + self.side)
        bottom = min(y + height, self.y + self.side)
        return (left, top, right, bottom) if left < right and top < bottom else None


@dataclass(frozen=True)
class Spec:
    """Everything that determines a slide's pixels.

    `cover` renders tissue everywhere, all healthy or all tumour, for drawing single tiles; on a
    `slide` tissue, glass and foci have their places. `nuclear_size`, `nuclear_density`, the
    strengths and `grain_number` are the effects of the patient and of the slide (1: none).
    `tumour_share` is the share of nuclei in foci that are a tumour's. `shift` leads from H&E (0)
    to in-situ hybridisation (1), see `chromogen`.
    """

    width: int
    height: int
    seed: int
    mpp: float = 0.5
    organ: str = "breast"
    mode: Mode = "iso_colour"
    scenario: Scenario = "Z"
    tissue_fraction: float = 0.55
    cover: Literal["slide", "healthy", "tumour"] = "slide"
    site: Site = field(default_factory=Site)
    nuclear_size: float = 1.0
    nuclear_density: float = 1.0
    haematoxylin: float = 1.0
    eosin: float = 1.0
    artefact_rate: float = 0.0
    tumour_share: float = 1.0
    shift: float = 0.0
    grain_number: float = 1.0
    grain_strength: float = 1.0
    graft: Graft | None = None
