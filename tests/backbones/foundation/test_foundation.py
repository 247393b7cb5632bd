"""Published backbones: facts by name, and small ones of each architecture from every source."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from timm.layers import SwiGLUPacked
from timm.models import save_for_hf
from torch import Tensor, nn

from histotile.backbones.build import body_digest, build_network, head, normalisation, rebuild
from histotile.backbones.foundation.lookup import by_name, by_weights, doubts, licence_of
from histotile.backbones.foundation.models import MODELS
from histotile.backbones.foundation.recipe import FILES, spell_out
from histotile.backbones.pretraining_domain import domain_of
from histotile.backbones.stages import stages_of, truncate
from histotile.config import Backbone
from histotile.errors import HistotileError

BUILT = [model for model in MODELS if model.architecture]
SMALL: dict[str, Any] = {"embed_dim": 48, "depth": 3, "num_heads": 3}
GATED: dict[str, Any] = {"mlp_layer": SwiGLUPacked, "act_layer": nn.SiLU}


def backbone(name: str, weights: str = "none", **options: Any) -> Backbone:
    return Backbone(name=name, weights=weights, domain="auto", options=options)


# As the model cards build them, at a small size: by timm alone, pooled by hand.


def _uni() -> Any:
    return timm.create_model(
        "vit_large_patch16_224", init_values=1e-5, num_classes=0, img_size=64, **SMALL
    )


def _uni2() -> Any:
    return timm.create_model(
        "vit_giant_patch14_224",
        img_size=56,
        patch_size=14,
        mlp_ratio=5.33334,
        init_values=1e-5,
        num_classes=0,
        no_embed_class=True,
        reg_tokens=8,
        **GATED,
        **SMALL,
    )


def _virchow(reg_tokens: int) -> Any:
    return timm.create_model(
        "vit_huge_patch14_224",
        img_size=56,
        init_values=1e-5,
        num_classes=0,
        mlp_ratio=5.3375,
        global_pool="",
        reg_tokens=reg_tokens,
        **GATED,
        **SMALL,
    )


def _hoptimus() -> Any:
    return timm.create_model(
        "vit_giant_patch14_reg4_dinov2", num_classes=0, img_size=56, global_pool="token", **SMALL
    )


def _gigapath() -> Any:
    return timm.create_model(
        "vit_giant_patch14_dinov2", img_size=64, patch_size=16, mlp_ratio=5.33334, **SMALL
    ).eval()


def _plain(network: Any, tiles: Tensor) -> Tensor:
    network.reset_classifier(0)
    found: Tensor = network(tiles)
    return found


def _both(network: Any, tiles: Tensor) -> Tensor:
    tokens = network(tiles)
    patches = tokens[:, -16:]  # of 4 x 4 patches; all else stands before them
    return torch.cat([tokens[:, 0], patches.mean(1)], dim=-1)


Recipe = tuple[Callable[[], Any], Callable[[Any, Tensor], Tensor], int]
CARDS: dict[str, Recipe] = {
    "UNI": (_uni, _plain, 64),
    "UNI2-h": (_uni2, _plain, 56),
    "Virchow": (lambda: _virchow(0), _both, 56),
    "Virchow2": (lambda: _virchow(4), _both, 56),
    "H-optimus-0": (_hoptimus, _plain, 56),
    "H-optimus-1": (_hoptimus, _plain, 56),
    "Prov-GigaPath": (_gigapath, _plain, 64),
}


@pytest.fixture(params=CARDS)
def published(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path, Tensor, Tensor]:
    """Name, folder as downloaded, tiles, and features as the card computes them."""
    make, pooled, px = CARDS[request.param]
    torch.manual_seed(0)
    network = make().eval()
    with torch.no_grad():
        for key, values in network.state_dict().items():
            values.add_(0.2 * torch.randn_like(values) if values.is_floating_point() else 0)
            assert torch.isfinite(values).all(), key
        tiles = torch.randn(2, 3, px, px)
        expected = pooled(network, tiles)
    folder = tmp_path / "downloaded"
    folder.mkdir()
    torch.save(network.state_dict(), folder / "pytorch_model.bin")
    return request.param, folder, tiles, expected


def test_the_numbers_of_weights_are_the_published_ones() -> None:
    published = {
        **{"UNI": 303.4, "UNI2-h": 681.4, "Virchow": 631.2, "Virchow2": 631.2},
        **{"H-optimus-0": 1134.8, "H-optimus-1": 1134.8, "Prov-GigaPath": 1135.0},
    }
    assert {model.name for model in BUILT} == set(published) == set(CARDS)
    for model in BUILT:
        with torch.device("meta"):
            network = timm.create_model(
                model.architecture, num_classes=0, img_size=224, **model.arguments
            )
        count = sum(values.numel() for values in network.parameters())
        assert round(count / 1e6, 1) == published[model.name]


@pytest.mark.parametrize("kind", ["hf-hub", "local-dir", "file"])
def test_features_are_those_of_the_model_card(
    published: tuple[str, Path, Tensor, Tensor], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, folder, tiles, expected = published
    fact = by_name(name)
    assert fact is not None
    asked = []

    def download(repository: str, file: str, revision: str | None = None) -> str:
        asked.append((repository, file, revision))
        if not (folder / file).is_file():
            raise FileNotFoundError(file)
        return str(folder / file)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    weights = {
        "hf-hub": f"hf-hub:{fact.hub_id}@main",
        "local-dir": f"local-dir:{folder}",
        "file": str(folder / "pytorch_model.bin"),
    }[kind]
    given = "auto" if kind == "hf-hub" else name.lower().replace("-", " ")
    network, architecture = build_network(backbone(given, weights, **SMALL), 2, tiles.shape[-1])
    network.eval()
    with torch.inference_mode():
        maps = network.forward_features(tiles)  # type: ignore[operator]
        found = network.forward_head(maps, pre_logits=True)  # type: ignore[operator]
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    assert normalisation(network) == (fact.mean, fact.std)
    again = rebuild(architecture, 2)
    again.load_state_dict(network.state_dict())
    assert normalisation(again) == (fact.mean, fact.std)
    assert asked == ([(fact.hub_id, f, "main") for f in FILES] if kind == "hf-hub" else [])


def test_class_token_beside_the_mean_passes_stages_and_head() -> None:
    network, _ = build_network(backbone("Virchow2", **SMALL), 3, 56)
    assert head(network).in_features == 2 * 48
    *early, last = stages_of(network)
    assert last.width == 2 * 48
    cut = truncate(network, [early[0].number, last.number], 3)
    assert cut(torch.randn(2, 3, 56, 56)).shape == (2, 3)


@pytest.mark.parametrize(
    "name, weights, words",
    [
        ("Virchow", "imagenet", "holds no weights of Virchow"),
        ("UNI", "shipped:natural", "holds no weights of UNI"),
        ("H-optimus-0", "hf-hub:bioptimus/H-optimus-1", "is called as H-optimus-1 is"),
        ("Phikon-v2", "hf-hub:owkin/phikon-v2", "does not build Phikon-v2"),
        ("auto", "hf-hub:kaiko-ai/midnight", "does not build Midnight-12k"),
        ("Lunit DINO ViT-S/8", "none", "built as its config.json says"),
    ],
)
def test_what_would_be_another_model_is_refused(name: str, weights: str, words: str) -> None:
    with pytest.raises(HistotileError, match=words):
        spell_out(backbone(name, weights))


def test_another_architecture_under_the_name_is_refused(tmp_path: Path) -> None:
    torch.save(_virchow(0).state_dict(), tmp_path / "some.bin")
    for name in ("UNI2-h", "Virchow2"):
        with pytest.raises(HistotileError, match="holds another network"):
            build_network(backbone(name, str(tmp_path / "some.bin"), **SMALL), 2, 56)


def test_a_model_that_its_config_describes_is_built_as_that_says(tmp_path: Path) -> None:
    source = timm.create_model("vit_small_patch8_224", img_size=64, num_classes=0, **SMALL)
    source.pretrained_cfg["mean"] = (0.7, 0.6, 0.5)
    save_for_hf(source, str(tmp_path), safe_serialization=True, model_args={**SMALL})
    given = backbone("lunit dino vit s 8", f"local-dir:{tmp_path}")
    network, _ = build_network(given, 2, 64)
    assert normalisation(network)[0] == (0.7, 0.6, 0.5)
    assert body_digest(network) == body_digest(_with_head(source))


def _with_head(network: Any) -> nn.Module:
    network.reset_classifier(2)
    whole: nn.Module = network
    return whole


def test_auto_knows_by_its_folder_what_timm_cannot_build_alone(tmp_path: Path) -> None:
    for name in ("UNI2-h", "UNI", "Midnight"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "pytorch_model.bin").touch()
        given = backbone("auto", f"local-dir:{tmp_path / name}")
        if name == "Midnight":
            with pytest.raises(HistotileError, match="does not build Midnight-12k"):
                spell_out(given)
        else:
            assert (spell_out(given) == given) == (name == "UNI")  # its config.json is enough


def test_tokens_that_nobody_pools_are_refused() -> None:
    plain = backbone("vit_tiny_patch16_224", global_pool="", depth=1)
    with pytest.raises(HistotileError, match="hands out its tokens unpooled"):
        build_network(plain, 2, 64)


def test_a_repository_without_either_file_is_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    def download(*_: object, **__: object) -> str:
        raise FileNotFoundError("not there")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    with pytest.raises(HistotileError, match="could not be had from the hub"):
        build_network(backbone("auto", "hf-hub:MahmoodLab/UNI"), 2, 64)


@pytest.mark.parametrize(
    "weights, name",
    [
        ("hf-hub:paige-ai/virchow2", "Virchow2"),
        ("local-dir:/models/UNI2-h", "UNI2-h"),
        ("/models/uni2_h/pytorch_model.bin", "UNI2-h"),
        ("/models/H-optimus-0.safetensors", "H-optimus-0"),
        ("hf-hub:1aurent/vit_small_patch8_224.lunit_dino", "Lunit DINO ViT-S/8"),
        ("/models/prov-gigapath/model.safetensors", "Prov-GigaPath"),
        ("/models/ctranspath.pth", "CTransPath"),
        ("/models/university.pth", None),
        ("shipped:histology", None),
        ("none", None),
    ],
)
def test_weights_are_known_by_repository_folder_or_file(weights: str, name: str | None) -> None:
    found = by_weights(weights)
    assert (found.name if found else None) == name


def test_licence_and_scale_are_minded() -> None:
    uni = backbone("auto", "hf-hub:MahmoodLab/UNI")
    assert set(doubts(uni, 0.5)) == {"backbone"}
    assert "CC-BY-NC-ND-4.0" in doubts(uni, 0.5)["backbone"]
    assert "trained on 224 px at 0.5 um/px" in doubts(uni, 1.0)["tile.mpp"]
    assert set(doubts(uni, 0.59)) == set(doubts(uni, 0.41)) == {"backbone"}
    assert doubts(backbone("Virchow"), 0.5) == {}
    assert set(doubts(backbone("Virchow2"), 1.1)) == {"backbone"}
    assert set(doubts(backbone("Virchow2"), 4.0)) == {"backbone", "tile.mpp"}
    assert licence_of("Virchow", "none") == "Apache-2.0"
    assert licence_of("resnet18", "imagenet") is None
    assert doubts(backbone("resnet18"), 7.0) == {}


def test_every_fact_is_there_and_every_name_its_own() -> None:
    names = [model.name for model in MODELS]
    assert len({name.lower() for name in names}) == len(names)
    for model in MODELS:
        assert model.licence and model.mpp and by_name(model.name.upper()) is model
        assert domain_of(backbone(model.name)) == "pathology"
        both = bool(model.arguments.get("class_and_mean"))
        assert not model.architecture or both == ("mean of patch tokens" in model.pooling)
        free = model.licence in ("MIT", "Apache-2.0")
        assert free or model.terms, model.name
        assert (model.mean is None) == (model.std is None)
