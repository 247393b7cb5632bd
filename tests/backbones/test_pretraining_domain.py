"""Which backbones count as pre-trained on pathology."""

import pytest

from histotile.backbones.pretraining_domain import domain_of
from histotile.config import Backbone


def backbone(name: str, weights: str, domain: str = "auto") -> Backbone:
    return Backbone(name=name, weights=weights, domain=domain, options={})


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("auto", "hf-hub:MahmoodLab/UNI"),
        ("auto", "hf-hub:MahmoodLab/UNI2-h"),
        ("auto", "hf-hub:MahmoodLab/conch"),
        ("auto", "hf-hub:paige-ai/Virchow2@main"),
        ("auto", "hf-hub:prov-gigapath/prov-gigapath"),
        ("auto", "hf-hub:owkin/phikon-v2"),
        ("auto", "hf-hub:histai/hibou-b"),
        ("auto", "hf-hub:bioptimus/H-optimus-0"),
        ("auto", "hf-hub:bioptimus/H0-mini"),
        ("auto", "hf-hub:kaiko-ai/midnight"),
        ("auto", "hf-hub:SophontAI/OpenMidnight"),
        ("auto", "hf-hub:1aurent/vit_small_patch8_224.lunit_dino"),
        ("auto", "local-dir:/models/uni2-h"),
        ("vit_large_patch16_224", "/models/UNI/pytorch_model.bin"),
        ("swin_tiny_patch4_window7_224", "/models/ctranspath.pth"),
        ("vit_small_patch16_224", "/models/hipt_vit256_small_dino.pth"),
    ],
)
def test_published_pathology_models_are_known(name: str, weights: str) -> None:
    assert domain_of(backbone(name, weights)) == "pathology"


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("resnet18", "imagenet"),
        ("vit_base_patch16_unicom", "/models/unicom.pth"),
        ("auto", "hf-hub:timm/vit_base_patch16_clip_224.openai"),
        ("resnet50", "/home/uni/weights/resnet50_a1.pth"),
        ("auto", "local-dir:/data/lunit-project/resnet50"),
        ("auto", "shipped:natural"),
        ("auto", "shipped:histology"),
        ("resnet18", "none"),
    ],
)
def test_others_are_natural(name: str, weights: str) -> None:
    assert domain_of(backbone(name, weights)) == "natural"


def test_the_setting_has_the_last_word() -> None:
    assert domain_of(backbone("resnet18", "imagenet", "pathology")) == "pathology"
    assert domain_of(backbone("auto", "hf-hub:MahmoodLab/UNI", "natural")) == "natural"
