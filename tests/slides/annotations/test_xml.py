"""Groups, negative regions and numbers of ASAP, ImageScope and HALO; outlines of NDP.view."""

import types
from collections.abc import Sequence
from pathlib import Path

import pytest
from shapely.geometry import box

from histotile.errors import HistotileError
from histotile.slides.annotations import ndpa as annotation_ndpa
from histotile.slides.annotations.read import Annotations, read_annotations
from histotile.slides.annotations.shapes import NEGATIVE
from histotile.slides.slide import Bounds

SIZE = (4000, 3000)


def read(path: Path, slide: Path | None = None) -> Annotations:
    return read_annotations(path, Bounds(0, 0, *SIZE), SIZE, slide)


def corners(x0: float, y0: float, x1: float, y1: float) -> list[tuple[float, float]]:
    return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]


def asap(folder: Path, shapes: Sequence[tuple[str, Sequence[tuple[object, object]]]]) -> Path:
    def coordinates(points: Sequence[tuple[object, object]]) -> str:
        return "".join(
            f'<Coordinate Order="{n}" X="{x}" Y="{y}"/>' for n, (x, y) in enumerate(points)
        )

    written = "".join(
        f'<Annotation Type="Polygon" PartOfGroup="{group}">'
        f"<Coordinates>{coordinates(points)}</Coordinates></Annotation>"
        for group, points in shapes
    )
    groups = [("Grade 3", "Tumor"), ("Tumor", "Lesions"), ("Lesions", "None")]
    groups += [("Artefact", "Exclusion"), ("Loop", "Circle"), ("Circle", "Loop")]
    listed = "".join(f'<Group Name="{name}" PartOfGroup="{of}"/>' for name, of in groups)
    path = folder / "a.xml"
    path.write_text(
        f"<ASAP_Annotations><Annotations>{written}</Annotations>"
        f"<AnnotationGroups>{listed}</AnnotationGroups></ASAP_Annotations>"
    )
    return path


def test_asap_groups_in_groups(tmp_path: Path) -> None:
    square = corners(100, 100, 200, 200)
    found = read(asap(tmp_path, [("Grade 3", square), ("Loop", square), ("None", square)]))
    assert [(a.name, a.groups) for a in found] == [
        ("Grade 3", ("Tumor", "Lesions")),
        ("Loop", ("Circle",)),
        ("None", ()),
    ]


def test_asap_islands_in_exclusions_and_what_lies_in_groups_of_exclusion(tmp_path: Path) -> None:
    found = read(
        asap(
            tmp_path,
            [
                ("Exclusion", corners(20, 20, 80, 80)),
                ("Tumor", corners(0, 0, 100, 100)),
                ("Tumor", corners(40, 40, 60, 60)),
                ("Artefact", corners(45, 45, 50, 50)),
                ("_2", corners(500, 500, 600, 600)),
            ],
        )
    )
    ring, island, idle = found
    assert ring.polygon.equals(box(0, 0, 100, 100) - box(20, 20, 80, 80))
    assert island.polygon.equals(box(40, 40, 60, 60) - box(45, 45, 50, 50))
    assert (idle.name, idle.polygon.area) == (NEGATIVE, 10_000)


def test_decimal_commas_are_decimal(tmp_path: Path) -> None:
    points = [("100,5", "100,25"), ("200,5", "100,25"), ("200,5", "200,25")]
    (found,) = read(asap(tmp_path, [("Tumor", points)]))
    assert found.polygon.bounds == (100.5, 100.25, 200.5, 200.25)


@pytest.mark.parametrize("text", ["1,024,5", "1_000", "nan", "inf", "1e300", "", "1.024,5", "x"])
def test_other_numbers_are_none(tmp_path: Path, text: str) -> None:
    points = [(text, 1), (20, 1), (20, 20)]
    with pytest.raises(HistotileError, match="annotation 1: X"):
        read(asap(tmp_path, [("Tumor", points)]))


def imagescope(folder: Path, suffix: str, *layers: Sequence[tuple[str, tuple[int, ...]]]) -> Path:
    def region(negative: str, place: tuple[int, ...]) -> str:
        vertices = "".join(f'<Vertex X="{x}" Y="{y}"/>' for x, y in corners(*place))
        return (
            f'<Region Type="Polygon" NegativeROA="{negative}"><Vertices>{vertices}</Vertices>'
            "</Region>"
        )

    text = "".join(
        f'<Annotation Id="{n}" Name="Layer {n}"><Regions>'
        f"{''.join(region(*drawn) for drawn in layer)}</Regions></Annotation>"
        for n, layer in enumerate(layers)
    )
    path = folder / f"a{suffix}"
    path.write_text(f"<Annotations>{text}</Annotations>")
    return path


@pytest.mark.parametrize("suffix", [".xml", ".annotations"])
def test_islands_of_islands_in_negative_regions_of_their_layer(tmp_path: Path, suffix: str) -> None:
    nested = [(n, n, 100 - n, 100 - n) for n in range(0, 50, 10)]
    signs = ["0", "1", "0", "1", "0"]
    other = [("0", (0, 0, 300, 300)), ("1", (1000, 1000, 1100, 1100))]
    found = read(imagescope(tmp_path, suffix, list(zip(signs, nested, strict=True)), other))
    sizes = [100**2 - 80**2, 60**2 - 40**2, 20**2, 300**2, 100**2]
    assert [a.polygon.area for a in found] == sizes  # the other layer is not cut
    assert found[-1].name == NEGATIVE


@pytest.fixture
def ndpi(monkeypatch: pytest.MonkeyPatch) -> Path:
    """A slide of 4000 x 3000 px of 0.5 x 0.25 um, its middle 1 mm right of the glass's."""
    properties = {
        "hamamatsu.XOffsetFromSlideCentre": "1000000",
        "hamamatsu.YOffsetFromSlideCentre": "0",
        "openslide.mpp-x": "0.5",
        "openslide.mpp-y": "0.25",
    }

    class Opened:
        width, height = SIZE

        def __enter__(self) -> "Opened":
            self.properties = properties
            return self

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(
        annotation_ndpa, "Slide", types.SimpleNamespace(open=lambda *_, **__: Opened())
    )
    return Path("s.ndpi")


def ndpa(folder: Path, annotations: str, unit: str = "nanometers", suffix: str = ".ndpa") -> Path:
    path = folder / f"s.ndpi{suffix}"
    path.write_text(
        f'<?xml version="1.0"?><annotations><ndpviewstate id="1"><title>Tumor</title>'
        f"<coordformat>{unit}</coordformat>{annotations}</ndpviewstate></annotations>"
    )
    return path


def freehand(points: Sequence[tuple[float, float]], closed: str = "") -> str:
    listed = "".join(f"<point><x>{x}</x><y>{y}</y></point>" for x, y in points)
    return f'<annotation type="freehand">{closed}<pointlist>{listed}</pointlist></annotation>'


OUTLINE = [(1_000_000, 0), (1_100_000, 0), (1_100_000, 50_000), (1_000_000, 50_000)]


@pytest.mark.parametrize("suffix", [".ndpa", ".xml"])
def test_ndpa_counts_nanometres_from_the_centre_of_the_glass(
    tmp_path: Path, ndpi: Path, suffix: str
) -> None:
    circle = '<annotation type="circle"><x>1000000</x><y>0</y><radius>50000</radius></annotation>'
    others = '<annotation type="pin"><x>1</x><y>1</y></annotation>'
    others += '<annotation type="linearmeasure"><x1>1</x1></annotation>'
    text = freehand(OUTLINE) + circle + freehand(OUTLINE, "<closed>0</closed>") + others
    found = read(ndpa(tmp_path, text, suffix=suffix), ndpi)
    assert [a.name for a in found] == ["Tumor", "Tumor"]
    assert found[0].polygon.bounds == (2000, 1500, 2200, 1700)
    assert found[1].polygon.bounds == pytest.approx((1900, 1300, 2100, 1700))
    assert found.ignored == {"open line": 1, "pin": 1, "ruler": 1}


def test_ndpa_of_other_units_and_slides_is_refused(tmp_path: Path, ndpi: Path) -> None:
    with pytest.raises(HistotileError, match="pixels"):
        read(ndpa(tmp_path, freehand(OUTLINE), "pixels"), ndpi)
    with pytest.raises(HistotileError, match="x='one' is no number"):
        read(ndpa(tmp_path, freehand(OUTLINE).replace("<x>1000000<", "<x>one<")), ndpi)


def test_ndpa_of_a_slide_that_is_no_ndpi_names_the_way_out(
    tmp_path: Path, shared_data: Path
) -> None:
    with pytest.raises(HistotileError, match="QuPath"):
        read(ndpa(tmp_path, freehand(OUTLINE)), shared_data / "slides/CMU-1-Small-Region.svs")


def test_shared_ndpa(shared_data: Path) -> None:
    slide = shared_data / "slides/ndpi_test3-DAPI-2-(387).ndpi"
    folder = shared_data / "annotations/ndpa"
    with pytest.raises(HistotileError, match="valid XML"):
        read(folder / "annotations_malformed.ndpa", slide)
    with pytest.raises(HistotileError, match="outside the slide"):  # of another slide
        read(folder / "annotations_mixed.ndpa", slide)
