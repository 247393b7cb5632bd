"""Features: what the head sees and what lies before it, per tile, in a file other tools read."""

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from histotile.backbones.build import body_digest, build_network, head, normalisation
from histotile.backbones.stages import stages_of
from histotile.config import Backbone
from histotile.data.perceptual_hash import thumbnails
from histotile.data.prefetch import ReadAhead
from histotile.errors import HistotileError
from histotile.io.features import FeatureFile, read_features

MakeSlide = Callable[..., Path]
MakeFeatures = Callable[..., FeatureFile]


@pytest.mark.parametrize("name", ["test_efficientnet", "test_vit", "mobilenetv3_small_050"])
def test_last_features_are_what_the_head_sees(
    make_slide: MakeSlide, embed: MakeFeatures, name: str
) -> None:
    backbone = Backbone(name=name, weights="none", domain="auto", options={})
    table = make_slide("s")
    found = embed(table, backbone, batch_size=7)
    network, _ = build_network(backbone, 3, 64)
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in normalisation(network))
    _, pixels = next(iter(ReadAhead(table, 32)))
    with torch.inference_mode():
        batch = torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255
        logits = network.eval()((batch - mean) / std)
        from_features = head(network)(torch.from_numpy(found.features.astype(np.float32)))
    torch.testing.assert_close(from_features, logits, atol=5e-3, rtol=1e-2)
    assert found.facts["backbone_id"] == body_digest(network)
    assert found.stages == stages_of(network)
    assert [e.shape[1] for e in found.early] == [stage.width for stage in found.stages[:-1]]


def test_file_has_the_usual_layout(
    tmp_path: Path, make_slide: MakeSlide, embed: MakeFeatures, tiny_backbone: Backbone
) -> None:
    table = make_slide("s")
    found = embed(table, tiny_backbone)
    found.write(tmp_path / "s.h5")
    with h5py.File(tmp_path / "s.h5") as file:
        assert file["features"].shape == (32, 256)
        assert file["features_stage1"].shape == (32, 32)
        assert file["features"].dtype == np.float16
        assert file["coords"][:3].tolist() == [[0, 0], [64, 0], [128, 0]]
        assert file.attrs["mpp"] == 0.5
        assert file.attrs["tile_px"] == 64
        assert file.attrs["domain"] == "natural"
        _, pixels = next(iter(ReadAhead(table, 32)))
        assert np.array_equal(file["thumbnails"][:], thumbnails(pixels))
    back = read_features(tmp_path / "s.h5")
    for number in range(1, len(found.stages) + 1):
        assert np.array_equal(back.of_stage(number), found.of_stage(number))
    assert back.facts == found.facts
    assert back.stages == found.stages


def test_views_differ_and_do_not_depend_on_the_batch(
    tmp_path: Path, make_slide: MakeSlide, embed: MakeFeatures, tiny_backbone: Backbone
) -> None:
    table = make_slide("s")
    found, other = (embed(table, tiny_backbone, views=2, batch_size=size) for size in (32, 5))
    plain = embed(table, tiny_backbone)
    assert np.array_equal(found.features, plain.features)
    for number in range(1, len(found.stages) + 1):
        first, second = found.of_stage(number, view=0), found.of_stage(number, view=1)
        np.testing.assert_allclose(first, other.of_stage(number, view=0), atol=2e-3, rtol=2e-3)
        assert not np.allclose(first, second, atol=2e-3, rtol=2e-3)
        assert not np.allclose(first, found.of_stage(number), atol=2e-3, rtol=2e-3)
    found.write(tmp_path / "s.h5")
    back = read_features(tmp_path / "s.h5", views=True)
    assert np.array_equal(back.of_stage(2, view=1), found.of_stage(2, view=1))
    assert back.facts == found.facts


def test_the_same_tile_of_two_slides_is_changed_otherwise(
    make_slide: MakeSlide, embed: MakeFeatures, tiny_backbone: Backbone
) -> None:
    one, two = (embed(make_slide(name), tiny_backbone, views=1) for name in ("s", "t"))
    assert np.array_equal(one.features, two.features)
    assert not np.allclose(one.views[0][0], two.views[0][0], atol=2e-3)


def test_excluded_tiles_have_no_features(
    make_slide: MakeSlide, embed: MakeFeatures, tiny_backbone: Backbone
) -> None:
    found = embed(make_slide("s", excluded=[None, "pen"] * 16), tiny_backbone)
    assert found.tile_ids.tolist() == list(range(0, 32, 2))
    assert found.coords[1].tolist() == [128, 0]


def test_a_slide_without_tissue_has_features_of_no_tile(
    tmp_path: Path, make_slide: MakeSlide, embed: MakeFeatures, tiny_backbone: Backbone
) -> None:
    embed(make_slide("s", excluded=["pen"] * 32), tiny_backbone, views=1).write(tmp_path / "s.h5")
    back = read_features(tmp_path / "s.h5", views=True)
    assert back.features.shape == (0, 256)
    assert back.thumbnails is not None and back.thumbnails.shape == (0, 32, 32)
    assert [len(v) for v in back.early] == [0] * 4
    assert back.of_stage(1, view=0).shape == (0, 32)
    quarantined = make_slide("q", excluded=["pen"] * 32, mpp=None, size_level0_px=None)
    assert len(embed(quarantined, tiny_backbone).coords) == 0


def test_what_is_no_embedding_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HistotileError, match="histotile embed"):
        read_features(tmp_path / "absent.h5")
    (tmp_path / "junk.h5").write_bytes(b"junk")
    with pytest.raises(HistotileError, match="no features"):
        read_features(tmp_path / "junk.h5")
    with h5py.File(tmp_path / "foreign.h5", "w") as file:
        file["features"] = np.zeros((1, 2))
    with pytest.raises(HistotileError, match="no features"):
        read_features(tmp_path / "foreign.h5")
