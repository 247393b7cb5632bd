"""Features: what the head sees, per tile, in a file other tools read."""

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from histotile.config import Backbone
from histotile.errors import HistotileError
from histotile.features import read_features
from histotile.models.backbones import body_digest, build_network, head, normalisation
from histotile.models.embedding import embed_slide
from histotile.tiles.read_ahead import ReadAhead

MakeSlide = Callable[..., Path]


@pytest.mark.parametrize("name", ["test_efficientnet", "test_vit", "mobilenetv3_small_050"])
def test_features_are_what_the_head_sees(make_slide: MakeSlide, name: str) -> None:
    backbone = Backbone(name=name, weights="none", domain="auto", options={})
    table = make_slide("s")
    embedding = embed_slide(table, backbone, batch_size=7)
    network, _ = build_network(backbone, 3, 64)
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in normalisation(network))
    _, pixels = next(iter(ReadAhead(table, 32)))
    with torch.inference_mode():
        batch = torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255
        logits = network.eval()((batch - mean) / std)
        from_features = head(network)(torch.from_numpy(embedding.features.astype(np.float32)))
    torch.testing.assert_close(from_features, logits, atol=5e-3, rtol=1e-2)
    assert embedding.facts["backbone_id"] == body_digest(network)


def test_file_has_the_usual_layout(
    tmp_path: Path, make_slide: MakeSlide, tiny_backbone: Backbone
) -> None:
    embedding = embed_slide(make_slide("s"), tiny_backbone)
    embedding.write(tmp_path / "s.h5")
    with h5py.File(tmp_path / "s.h5") as file:
        assert file["features"].shape == (32, 256)
        assert file["features"].dtype == np.float16
        assert file["coords"][:3].tolist() == [[0, 0], [64, 0], [128, 0]]
        assert file.attrs["mpp"] == 0.5
        assert file.attrs["tile_px"] == 64
    back = read_features(tmp_path / "s.h5")
    assert np.array_equal(back.features, embedding.features)
    assert back.facts == embedding.facts


def test_excluded_tiles_have_no_features(make_slide: MakeSlide, tiny_backbone: Backbone) -> None:
    embedding = embed_slide(make_slide("s", excluded=[None, "pen"] * 16), tiny_backbone)
    assert embedding.tile_ids.tolist() == list(range(0, 32, 2))
    assert embedding.coords[1].tolist() == [128, 0]


def test_a_slide_without_tissue_has_features_of_no_tile(
    tmp_path: Path, make_slide: MakeSlide, tiny_backbone: Backbone
) -> None:
    embed_slide(make_slide("s", excluded=["pen"] * 32), tiny_backbone).write(tmp_path / "s.h5")
    assert read_features(tmp_path / "s.h5").features.shape == (0, 256)
    quarantined = make_slide("q", excluded=["pen"] * 32, mpp=None, size_level0_px=None)
    assert len(embed_slide(quarantined, tiny_backbone).coords) == 0


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
