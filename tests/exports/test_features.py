"""Features in the files of other programs, read by the rules that those read them by."""

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from histotile.errors import HistotileError
from histotile.exports.features import LAYOUTS, write_features
from histotile.io.features import FeatureFile, Stage
from histotile.io.tile_spec import TileSpec

PX, MPP = 224, 0.25
SPEC = TileSpec(
    slide_id="s 1",
    tile_px=PX,
    tile_mpp=1.0,
    path=Path("s 1.svs"),
    mpp=MPP,
    size_level0_px=896.0,
    stride_level0_px=448.0,
    width=9000,
    height=7000,
)


@pytest.fixture
def file() -> FeatureFile:
    """Twelve tiles, half overlapping, of a network with two stages."""
    rng = np.random.default_rng(0)
    y, x = (448 * a.ravel().astype(np.int32) for a in np.mgrid[0:3, 1:5])
    stages = (Stage(1, "early", 6, 10), Stage(2, "last", 4, 20))
    return FeatureFile(
        features=rng.normal(size=(12, 4)).astype(np.float16),
        early=(rng.normal(size=(12, 6)).astype(np.float16),),
        coords=np.stack([x, y], axis=1),
        tile_ids=np.arange(12, dtype=np.int32),
        thumbnails=None,
        stages=stages,
        facts={"backbone_id": "tiny"},
    )


def test_clam_reads_a_tensor_that_its_float32_layers_take(
    file: FeatureFile, tmp_path: Path
) -> None:
    write_features(tmp_path, "clam", file, SPEC, None)
    features = torch.load(tmp_path / "pt_files" / "s 1.pt", weights_only=True)
    assert features.dtype == torch.float32
    assert torch.nn.Linear(4, 2)(features).shape == (12, 2)
    with h5py.File(tmp_path / "h5_files" / "s 1.h5") as read:
        np.testing.assert_array_equal(read["features"][:], features.numpy())
        np.testing.assert_array_equal(read["coords"][:], file.coords)


def test_trident_reads_sizes_and_magnifications_from_the_coordinates(
    file: FeatureFile, tmp_path: Path
) -> None:
    write_features(tmp_path, "trident", file, SPEC, None)
    with h5py.File(tmp_path / "s 1.h5") as read:
        facts = dict(read["coords"].attrs)
        assert read["coords"].dtype == np.int64
        np.testing.assert_allclose(read["features"][:], file.features)
    assert isinstance(facts["patch_size_level0"], np.integer)  # TRIDENT refuses a float
    sizes = [int(facts[name]) for name in ("patch_size", "patch_size_level0", "overlap")]
    assert sizes == [PX, 896, 112]
    assert (facts["level0_magnification"], facts["target_magnification"]) == (40, 10)
    assert (facts["name"], facts["level0_width"], facts["level0_height"]) == ("s 1", 9000, 7000)
    assert facts["savetodir"] == str(tmp_path)


def test_stamp_reads_features_and_places_in_um(file: FeatureFile, tmp_path: Path) -> None:
    write_features(tmp_path, "stamp", file, SPEC, None)
    with h5py.File(tmp_path / "s 1.h5") as read:
        assert read.attrs["unit"] == "um" and read.attrs["feat_type"] == "tile"
        assert float(read.attrs["tile_size"]) == float(read.attrs["tile_size_um"]) == PX * 1.0
        assert int(read.attrs["tile_size_px"]) == PX
        np.testing.assert_allclose(read["coords"][:], file.coords * MPP)
        np.testing.assert_allclose(read["feats"][:], file.features)
        assert "stamp_version" not in read.attrs  # a newer one than its own is refused


@pytest.mark.parametrize("made", [{"tile_px": 112}, {"mpp": 0.5}])
def test_features_of_an_earlier_tiling_are_refused(
    file: FeatureFile, tmp_path: Path, made: dict[str, float]
) -> None:
    same = {"tile_px": PX, "mpp": 1.0}
    assert write_features(tmp_path, "clam", replace(file, facts={**file.facts, **same}), SPEC, None)
    with pytest.raises(HistotileError, match="its tile table is not"):
        write_features(
            tmp_path, "clam", replace(file, facts={**file.facts, **same, **made}), SPEC, None
        )


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_earlier_stage_may_be_written_and_a_missing_one_is_told(
    file: FeatureFile, tmp_path: Path, layout: str
) -> None:
    paths = write_features(tmp_path, layout, file, SPEC, 1)  # type: ignore[arg-type]
    with h5py.File(paths[-1]) as read:
        values = read["feats" if layout == "stamp" else "features"][:]
    np.testing.assert_allclose(values, file.early[0])
    with pytest.raises(HistotileError, match="none of the stages 1 to 2"):
        write_features(tmp_path, layout, file, SPEC, 3)  # type: ignore[arg-type]


def test_tiles_without_a_place_on_a_slide_go_to_clam_alone(
    file: FeatureFile, tmp_path: Path
) -> None:
    for spec in (replace(SPEC, source="images"), replace(SPEC, mpp=None)):
        assert write_features(tmp_path, "clam", file, spec, None)
        for layout in ("trident", "stamp"):
            with pytest.raises(HistotileError, match="--layout clam"):
                write_features(tmp_path, layout, file, spec, None)
