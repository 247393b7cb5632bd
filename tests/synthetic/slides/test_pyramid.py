from pathlib import Path

import numpy as np
import openslide
import pytest

from histotile.synthetic.slides.pyramid import Flavour, level_sizes, write_pyramid
from histotile.synthetic.slides.spec import Spec
from histotile.synthetic.slides.world import World


@pytest.fixture(scope="module")
def world() -> World:
    return World(Spec(width=2100, height=1500, seed=3, mpp=0.25, scenario="A"))


@pytest.mark.parametrize(("flavour", "vendor"), [("tiff", "generic-tiff"), ("svs", "aperio")])
def test_openslide_reads_scale_levels_and_pixels(
    tmp_path: Path, world: World, flavour: Flavour, vendor: str
) -> None:
    path = tmp_path / f"slide.{flavour}"
    shares: list[float] = []
    write_pyramid(path, world, flavour, 90, shares.append)
    with openslide.OpenSlide(str(path)) as slide:
        facts = slide.properties
        assert facts["openslide.vendor"] == vendor
        assert float(facts["openslide.mpp-x"]) == pytest.approx(0.25)
        assert float(facts["openslide.mpp-y"]) == pytest.approx(0.25)
        assert facts.get("openslide.objective-power") == ("40" if flavour == "svs" else None)
        assert "synthetic" in facts["tiff.ImageDescription"]
        assert slide.level_dimensions == ((2100, 1500), (525, 375))
        for level, downsample in enumerate((1, 4)):
            side = 512 // downsample
            seen = np.asarray(slide.read_region((700, 500), level, (side, side)).convert("RGB"))
            true = world.region(700, 500, side, side, downsample)
            assert np.abs(seen.astype(int) - true).mean() < 4
            assert np.abs((seen.astype(int) - true).mean(axis=(0, 1))).max() < 0.7
        corner = np.asarray(slide.read_region((1588, 988), 1, (128, 128)).convert("RGB"))
        true = world.region(1588, 988, 128, 128, 4)
        assert np.abs(corner.astype(int) - true).mean() < 4
    assert shares[-1] == 1 and shares == sorted(shares)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_levels_go_on_until_small() -> None:
    assert level_sizes(512, 700) == [(512, 700)]
    assert level_sizes(4096, 4096) == [(4096, 4096), (1024, 1024), (256, 256)]
    assert level_sizes(100_001, 10)[1] == (25_001, 3)


def test_a_failed_write_leaves_nothing(tmp_path: Path, world: World) -> None:
    def fail(share: float) -> None:
        raise RuntimeError(f"stopped at {share}")

    with pytest.raises(RuntimeError, match="stopped"):
        write_pyramid(tmp_path / "slide.svs", world, "svs", 90, fail)
    assert list(tmp_path.iterdir()) == []


def test_glass_costs_next_to_nothing(tmp_path: Path) -> None:
    world = World(Spec(width=16_384, height=16_384, seed=1, tissue_fraction=0.004))
    path = tmp_path / "sparse.tiff"
    write_pyramid(path, world, "tiff", 85)
    with openslide.OpenSlide(str(path)) as slide:
        assert slide.level_downsamples == (1.0, 4.0, 16.0, 64.0)
        x, y = (int(v) for v in world.pieces[0, :2])
        inside = np.asarray(slide.read_region((x, y), 0, (256, 256)).convert("RGB"))
        small = np.asarray(slide.read_region((0, 0), 2, (1024, 1024)).convert("RGB"))
    assert inside.std() > 15
    tissue = (small.min(axis=2) < 225).mean()
    assert 0.002 < tissue < 0.006
