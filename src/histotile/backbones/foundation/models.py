"""The published models: facts of model cards and public code; no weights were looked into.

Sources: the models' cards, TRIDENT (github.com/mahmoodlab/TRIDENT), LazySlide
(github.com/rendeirolab/LazySlide), the papers.
"""

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Foundation:
    """What its makers say of a model.

    Attributes:
        name: As published; it is what `backbone.name` takes, in any spelling of case and dashes.
        hub_id: Its repository on the hub; empty where there is none.
        licence: Of the weights.
        terms: What follows for models trained on them; empty where nothing does.
        mpp: Scales it was trained at (um/px).
        tile_px: Side of the pictures that it saw.
        mean: Of the three channels (0-1); None where the repository's own config says.
        std: So is the standard deviation.
        pooling: From tokens to features, in words.
        architecture: The name in timm's registry that builds it; empty where `auto` reads it from
            the repository's config.json.
        arguments: Of that architecture. timm's files cannot keep all of them.
        unbuilt: Why histotile does not build it; empty where it does.
    """

    name: str
    hub_id: str
    licence: str
    terms: str
    mpp: tuple[float, ...] = (0.5,)
    tile_px: int = 224
    mean: Colour | None = (0.485, 0.456, 0.406)
    std: Colour | None = (0.229, 0.224, 0.225)
    pooling: str = "class token"
    architecture: str = ""
    arguments: MappingProxyType[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    unbuilt: str = ""

    @property
    def own(self) -> bool:
        """Whether timm alone cannot build it, whatever config.json lies beside the weights."""
        return bool(self.unbuilt) or self.architecture == "foundation_vit"


NO_DERIVATIVES = (
    "no commercial use, no derivatives: a model trained on its features may not be handed on "
    "without its makers' leave"
)
NOT_COMMERCIAL = "no commercial use, of models trained on its features neither"
CONDITIONS = "with conditions beyond the licence: read its card before use and before handing on"
_BOTH = "class token beside the mean of patch tokens"
_TRANSFORMERS = "its files are those of the library transformers, whose names timm does not know"
_HOPTIMUS: dict[str, Any] = {
    "mean": (0.707223, 0.578729, 0.703617),
    "std": (0.211883, 0.230117, 0.177517),
}


def _vit(**arguments: Any) -> MappingProxyType[str, Any]:
    return MappingProxyType(arguments)


_VIRCHOW: dict[str, Any] = {
    "patch_size": 14,
    "embed_dim": 1280,
    "depth": 32,
    "num_heads": 16,
    "mlp_ratio": 5.3375,
    "init_values": 1e-5,
    "swiglu": True,
    "class_and_mean": True,
}
_REG4 = "vit_giant_patch14_reg4_dinov2"

MODELS: tuple[Foundation, ...] = (
    Foundation(
        "UNI",
        "MahmoodLab/UNI",
        "CC-BY-NC-ND-4.0",
        NO_DERIVATIVES,
        architecture="vit_large_patch16_224",
        arguments=_vit(init_values=1e-5),
    ),
    Foundation(
        "UNI2-h",
        "MahmoodLab/UNI2-h",
        "CC-BY-NC-ND-4.0",
        NO_DERIVATIVES,
        architecture="foundation_vit",
        arguments=_vit(
            patch_size=14,
            embed_dim=1536,
            depth=24,
            num_heads=24,
            mlp_ratio=5.33334,
            init_values=1e-5,
            no_embed_class=True,
            reg_tokens=8,
            swiglu=True,
        ),
    ),
    Foundation(
        "Virchow",
        "paige-ai/Virchow",
        "Apache-2.0",
        "",
        pooling=_BOTH,
        architecture="foundation_vit",
        arguments=_vit(**_VIRCHOW),
    ),
    Foundation(
        "Virchow2",
        "paige-ai/Virchow2",
        "CC-BY-NC-ND-4.0",
        NO_DERIVATIVES,
        mpp=(0.25, 0.5, 1.0, 2.0),
        pooling=_BOTH,
        architecture="foundation_vit",
        arguments=_vit(**_VIRCHOW, reg_tokens=4),
    ),
    Foundation(
        "H-optimus-0",
        "bioptimus/H-optimus-0",
        "Apache-2.0",
        "",
        **_HOPTIMUS,
        architecture=_REG4,
        arguments=_vit(init_values=1e-5),
    ),
    Foundation(
        "H-optimus-1",
        "bioptimus/H-optimus-1",
        "CC-BY-NC-ND-4.0",
        NO_DERIVATIVES,
        **_HOPTIMUS,
        architecture=_REG4,
        arguments=_vit(init_values=1e-5),
    ),
    Foundation(
        "H0-mini",
        "bioptimus/H0-mini",
        "CC-BY-NC-ND-4.0",
        NO_DERIVATIVES,
        **_HOPTIMUS,
    ),
    Foundation(
        "Prov-GigaPath",
        "prov-gigapath/prov-gigapath",
        "Apache-2.0",
        CONDITIONS,
        tile_px=256,
        architecture="vit_giant_patch14_dinov2",
        arguments=_vit(patch_size=16, embed_dim=1536, depth=40, num_heads=24, mlp_ratio=5.33334),
    ),
    Foundation(
        "Phikon-v2",
        "owkin/phikon-v2",
        "Owkin non-commercial licence",
        NOT_COMMERCIAL,
        unbuilt=_TRANSFORMERS,
    ),
    Foundation(
        "Midnight-12k",
        "kaiko-ai/midnight",
        "MIT",
        "",
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        pooling=_BOTH,
        unbuilt=_TRANSFORMERS,
    ),
    Foundation(
        "OpenMidnight",
        "SophontAI/OpenMidnight",
        "Apache-2.0",
        "",
        mean=None,
        std=None,
    ),
    Foundation(
        "CTransPath",
        "",
        "GPL-3.0",
        "copyleft: programs that hold it are under the same licence when handed on",
        mpp=(1.0,),
        tile_px=256,
        unbuilt="it needs a changed timm",
    ),
    *(
        Foundation(
            f"Hibou-{size}",
            f"histai/hibou-{size}",
            "Apache-2.0",
            "",
            mean=(0.7068, 0.5755, 0.722),
            std=(0.195, 0.2316, 0.1816),
            unbuilt="its repository would run code of its own",
        )
        for size in ("b", "L")
    ),
    *(
        Foundation(
            f"Kaiko {name}",
            f"1aurent/{name}.kaiko_ai_towards_large_pathology_fms",
            "Kaiko non-commercial licence",
            NOT_COMMERCIAL,
            mean=None,
            std=None,
        )
        for name in (
            "vit_small_patch16_224",
            "vit_small_patch8_224",
            "vit_base_patch16_224",
            "vit_base_patch8_224",
            "vit_large_patch14_reg4_dinov2",
        )
    ),
    Foundation(
        "Lunit DINO ViT-S/8",
        "1aurent/vit_small_patch8_224.lunit_dino",
        "Lunit non-commercial licence",
        NOT_COMMERCIAL,
        mean=None,
        std=None,
    ),
    Foundation(
        "GPFM",
        "majiabo/GPFM",
        "MIT",
        "",
        mean=None,
        std=None,
    ),
)
