"""Scales that contradict each other, and the scale in a TIFF's description."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from histotile.config import Inspect
from histotile.slides.inspection import examine
from histotile.slides.metadata.ome_xml import imagej_mpp, ome_mpp
from histotile.slides.mpp import Claim, find_scale

SETTINGS = Inspect(
    unknown_mpp="stop", mpp_min=0.05, mpp_max=20, max_anisotropy=0.05, trust_objective_power=True
)
PICTURE = np.random.default_rng(0).integers(0, 256, (300, 200, 3)).astype(np.uint8)


def properties(mpp: float | None = None, power: float | None = None) -> dict[str, str]:
    found = {f"openslide.mpp-{axis}": str(mpp) for axis in "xy" if mpp}
    return found | ({"openslide.objective-power": str(power)} if power else {})


def ome(attributes: str, size: tuple[int, int] = (200, 300)) -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/'
        f'OME/2016-06"><Image ID="Image:0"><Pixels SizeX="{size[0]}" SizeY="{size[1]}" '
        f"{attributes}/></Image></OME>"
    )


TAGGED = {
    "tiff.ResolutionUnit": "centimeter",
    "tiff.XResolution": "20000",
    "tiff.YResolution": "20000",
}
BY_OME = {"tiff.ImageDescription": ome('PhysicalSizeX="0.25" PhysicalSizeY="0.25"')}
BY_VOLUME = {
    "openslide.level[0].width": "2000",
    "openslide.level[0].height": "1000",
    "dicom.ImagedVolumeWidth": "1",
    "dicom.ImagedVolumeHeight": "0.5",
}


@pytest.mark.parametrize(
    ("found", "vendor", "column", "values"),
    [
        (properties(0.504, 40), "aperio", None, ("0.504", "0.25")),
        (properties(2.52, 40), "hamamatsu", None, ("2.52", "0.25")),
        (properties(0.25), "aperio", 0.5, ("0.5", "0.25")),
        (properties(None, 40), "aperio", 0.5, ("0.5", "0.25")),
        (properties(0.25) | TAGGED, "aperio", None, ("0.25", "0.5")),
        (properties(0.5) | BY_OME, "generic-tiff", None, ("0.25", "0.5")),
        (properties(0.25) | BY_VOLUME, "dicom", None, ("0.25", "0.5")),
        (properties(0.25, 10), "dicom", None, ("0.25", "1")),
    ],
)
def test_contradictions_name_both_values(
    found: dict[str, str], vendor: str, column: float | None, values: tuple[str, str]
) -> None:
    contradiction = find_scale(found, vendor, SETTINGS, column).contradiction
    assert contradiction is not None
    assert [part.rpartition(": ")[2] for part in contradiction.split("; ")] == list(values)


@pytest.mark.parametrize(
    ("found", "vendor", "column", "remarks"),
    [
        (properties(0.252, 40), "aperio", None, 0),
        (properties(0.2282, 40), "hamamatsu", None, 0),
        (properties(0.33, 40), "aperio", None, 1),
        (properties(0.2325, 20), "mirax", None, 1),  # a camera adapter
        (properties(0.25), "aperio", 0.255, 0),
        (properties(0.25), "aperio", 0.3, 1),
        (properties(0.5, 40), "aperio", 0.25, 1),  # the column settles what the file leaves open
        (properties(0.005), "aperio", 0.5, 1),
        (properties(0.25) | TAGGED | {"tiff.XResolution": "72"}, "aperio", None, 0),
        (properties(0.5) | BY_VOLUME, "dicom", None, 0),
    ],
)
def test_smaller_differences_give_remarks(
    found: dict[str, str], vendor: str, column: float | None, remarks: int
) -> None:
    scale = find_scale(found, vendor, SETTINGS, column)
    assert scale.mpp == (column or float(found["openslide.mpp-x"]))
    assert (scale.contradiction, len(scale.remarks)) == (None, remarks)


@given(st.floats(0.06, 15), st.floats(0.06, 15))
def test_two_values_contradict_beyond_a_factor_of_one_and_a_half(own: float, other: float) -> None:
    factor = max(own / other, other / own)
    scale = find_scale(properties(own), "aperio", SETTINGS, None, [Claim("level", other, other)])
    assert bool(scale.contradiction) == (factor > 1.5)
    assert bool(scale.remarks) == (1.05 < factor <= 1.5)


def test_a_contradiction_stops_until_settled_or_accepted(
    tmp_path: Path, write_slide: Callable[..., Path]
) -> None:
    path = write_slide(tmp_path / "a.svs", PICTURE, mpp=0.25, aperio=True)  # AppMag = 20
    found = examine(path, "a", SETTINGS)
    assert (found.verdict, found.problem, found.mpp) == ("quarantined", "mpp", None)
    assert "0.25" in str(found.reason) and "0.5" in str(found.reason)
    name = str(found.reason)[1 : str(found.reason).index("]")]
    accepted = examine(path, "a", SETTINGS, None, {name: "measured"})
    assert (accepted.verdict, accepted.mpp) == ("ok", 0.25)
    assert any("accepted by the user: measured" in warning for warning in accepted.warnings)
    settled = examine(path, "a", SETTINGS, 0.5)
    assert (settled.verdict, settled.mpp, len(settled.warnings)) == ("ok", 0.5, 1)
    other = examine(path, "a", SETTINGS, 2.0)
    assert other.problem == "mpp"
    assert name not in str(other.reason)


def test_tags_of_levels_are_held_against_their_downsample(tmp_path: Path) -> None:
    half = PICTURE.reshape(150, 2, 100, 2, 3).mean(axis=(1, 3)).astype(np.uint8)
    for resolution, problem in ((2e4, None), (1e4, None), (5e3, "mpp"), (8e3, None)):
        with tifffile.TiffWriter(tmp_path / "s.tif") as tiff:
            for number, (rgb, value) in enumerate(((PICTURE, 2e4), (half, resolution))):
                tiff.write(
                    rgb,
                    tile=(64, 64),
                    photometric="rgb",
                    compression="deflate",
                    metadata=None,
                    subfiletype=number,
                    resolution=(value, value),
                    resolutionunit="CENTIMETER",
                )
        found = examine(tmp_path / "s.tif", "s", SETTINGS)
        assert found.problem == problem, resolution
        assert bool(found.warnings) == (resolution == 8e3)


@pytest.mark.parametrize(
    ("attributes", "mpp"),
    [
        ('PhysicalSizeX="0.5" PhysicalSizeY="0.5"', 0.5),
        ('PhysicalSizeX="0.5" PhysicalSizeXUnit="µm" PhysicalSizeY="0.5"', 0.5),
        ('PhysicalSizeX="500" PhysicalSizeXUnit="nm"', 0.5),
        ('PhysicalSizeY="0.0005" PhysicalSizeYUnit="mm"', 0.5),
        ('PhysicalSizeX="0.5" PhysicalSizeXUnit="pixel"', None),
        ('PhysicalSizeX="0.5" PhysicalSizeXUnit="reference frame"', None),
        ('PhysicalSizeX="0"', None),
        ("", None),
    ],
)
def test_ome_units(attributes: str, mpp: float | None) -> None:
    found = ome_mpp(ome(attributes), (200, 300))
    assert (found is None) == (mpp is None)
    assert list(found or ()) == pytest.approx([mpp, mpp] if mpp else [])


def test_ome_takes_the_image_of_the_slide_and_no_bombs() -> None:
    small = ome('PhysicalSizeX="9"', (20, 30))
    both = small.replace("</OME>", ome('PhysicalSizeX="0.5"').partition('2016-06">')[2])
    assert ome_mpp(both, (200, 300)) == (0.5, 0.5)
    assert ome_mpp(both, None) == (9, 9)
    bomb = '<!DOCTYPE OME [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><OME>&b;</OME>'
    assert ome_mpp(bomb, None) is None
    assert ome_mpp("<OME", None) is None


def test_ome_xml_gives_the_scale_where_the_tags_are_a_default(tmp_path: Path) -> None:
    text = ome('PhysicalSizeX="250" PhysicalSizeXUnit="nm"').replace("µ", "&#181;")
    tifffile.imwrite(
        tmp_path / "s.tif",
        PICTURE,
        tile=(64, 64),
        photometric="rgb",
        compression="deflate",
        description=text,
        metadata=None,
        resolution=(72, 72),
        resolutionunit="INCH",
    )
    found = examine(tmp_path / "s.tif", "s", SETTINGS)
    assert found.mpp == pytest.approx(0.25)
    assert found.mpp_source == "OME-XML"


def test_imagej_is_named_but_not_believed() -> None:
    said = {
        "tiff.ImageDescription": "ImageJ=1.53c\nunit=micron\n",
        "tiff.ResolutionUnit": "none",
        "tiff.XResolution": "2",
        "tiff.YResolution": "2",
    }
    assert imagej_mpp(said) == 0.5
    assert imagej_mpp(said | {"tiff.ResolutionUnit": "inch"}) is None
    found = find_scale(said, "generic-tiff", SETTINGS)
    assert found.mpp is None
    assert "0.5 um/px" in str(found.reason)
