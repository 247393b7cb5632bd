import base64
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from shapely.geometry import MultiPolygon, Polygon, box

from histotile.heatmaps.probability_map import ProbabilityMap
from histotile.io.palette import class_colours
from histotile.reports.slide.deepzoom import Level, Pyramid
from histotile.reports.slide.viewer_data import Outline, Scene, list_ramp, scene_json

CLASSES = ("healthy", "border", "tumour")
PICTURE = Pyramid(700, 500, [Level(350, 250, ["a"]), Level(700, 500, ["b", "c"])])


def refuse(constant: str) -> float:
    raise AssertionError(f"{constant} is not JSON")


def load(text: str) -> Any:
    return json.loads(text, parse_constant=refuse)


def unpack(text: str, kind: str) -> Any:
    return np.frombuffer(base64.b64decode(text), kind)


@pytest.fixture
def scene() -> Scene:
    values = (np.arange(3 * 2 * 4).reshape(3, 2, 4) / 24).astype(np.float32)
    values[:, 1, 2] = np.nan
    ints = np.array([100, 2_000_000_000])
    return Scene(
        width=7000,
        height=5000,
        mpp=None,
        shown="tumour",
        threshold=0.5,
        opacity=0.4,
        colormap="viridis",
        found=ProbabilityMap(values, CLASSES, 100.25, -7.5, 111.5, 100.0),
        side=111.5,
        places=(ints, ints + 7),
        probabilities=np.array([[0.1, 0.2, 0.7], [0.3, 0.3, 0.4]]),
        rejected={"pen": (ints, ints), "unreadable": (ints[:1], ints[:1])},
        marked={"blur": (ints[1:], ints[1:])},
        mask=b"\x89PNG\r\n\x1a\n...",
    )


def test_numbers_come_back_to_the_last_bit(scene: Scene) -> None:
    data = load(scene_json(scene, PICTURE))
    assert data["slide"] == {"width": 7000, "height": 5000, "mpp": None}
    place = {name: data["map"][name] for name in ("x0", "y0", "step", "covered")}
    assert place == {"x0": 100.25, "y0": -7.5, "step": 111.5, "covered": 100.0}
    assert (data["map"]["rows"], data["map"]["columns"]) == (2, 4)
    values = unpack(data["map"]["values"], "<f4").reshape(3, 2, 4)
    np.testing.assert_array_equal(values, scene.found.values)
    assert data["tiles"]["side"] == 111.5
    assert unpack(data["tiles"]["x"], "<i4").tolist() == [100, 2_000_000_000]
    assert unpack(data["tiles"]["y"], "<i4").tolist() == [107, 2_000_000_007]
    p = unpack(data["tiles"]["probabilities"], "<f4").reshape(2, 3)
    np.testing.assert_array_equal(p, scene.probabilities.astype(np.float32))


def test_class_shown_and_colours_are_those_of_the_palette(scene: Scene) -> None:
    data = load(scene_json(scene, PICTURE))
    assert [c["name"] for c in data["classes"]] == list(CLASSES)
    assert data["shown"] == 2
    for entry in data["classes"]:
        red, green, blue = class_colours(CLASSES)[entry["name"]]
        assert int(entry["colour"][1:], 16) == red * 65536 + green * 256 + blue
    with pytest.raises(ValueError, match="not in"):
        scene_json(replace(scene, shown="absent"), PICTURE)


def test_ramp_is_the_colour_map_of_the_settings() -> None:
    ramp = list_ramp("viridis")  # first and last colour as its authors publish them
    assert (len(ramp), ramp[0], ramp[-1]) == (256, "#440154", "#fde725")
    assert list_ramp("cividis") != ramp


def test_tiles_set_aside_are_told_in_words(scene: Scene) -> None:
    data = load(scene_json(scene, PICTURE))
    assert [entry["reason"] for entry in data["rejected"]] == ["pen ink", "unreadable"]
    assert unpack(data["rejected"][1]["x"], "<i4").tolist() == [100]
    assert [entry["reason"] for entry in data["marked"]] == ["blurred"]
    assert data["mask"].startswith("data:image/png;base64,")


def test_outlines_keep_holes_and_places(scene: Scene) -> None:
    holed = Polygon([(0, 0), (9.125, 0), (9, 9), (0, 9)], [[(3, 3), (6, 3), (6, 6), (3, 6)]])
    several = MultiPolygon([box(20, 20, 30, 30), box(40, 40, 50, 50)])
    outlines = [Outline("Tumor", "tumour", holed), Outline("fold?", None, several)]
    found = load(scene_json(replace(scene, outlines=outlines), PICTURE))["outlines"]
    assert [(o["name"], len(o["rings"])) for o in found] == [
        ("Tumor", 2),
        ("fold?", 1),
        ("fold?", 1),
    ]
    back = Polygon(found[0]["rings"][0], found[0]["rings"][1:])
    assert back.equals_exact(holed, 0.006, normalize=True)
    assert Polygon(found[2]["rings"][0]).bounds == (40, 40, 50, 50)
    assert found[0]["colour"] != found[1]["colour"] == "#808080"


@pytest.mark.parametrize(
    "text", ["</script><script>alert(1)//", "<!--<script>", "a & b", "\u2028😐 שלום \udc80", '"]}']
)
def test_text_from_outside_cannot_end_the_element(scene: Scene, text: str) -> None:
    classes = (text, *CLASSES[1:])
    changed = replace(
        scene,
        found=replace(scene.found, classes=classes),
        outlines=[Outline(text, None, box(0, 0, 1, 1))],
        rejected={text: scene.places},
    )
    made = scene_json(changed, PICTURE)
    assert made.isascii()
    assert not {"<", ">", "&"} & set(made)
    data = load(made)
    assert data["classes"][0]["name"] == data["outlines"][0]["name"] == text


def test_pictures_lie_in_the_page_or_in_a_folder(scene: Scene) -> None:
    inside = load(scene_json(scene, PICTURE))["picture"]
    assert (inside["width"], inside["height"], inside["folder"]) == (700, 500, None)
    assert [level["tiles"] for level in inside["levels"]] == [["a"], ["b", "c"]]
    assert [(level["columns"], level["rows"]) for level in inside["levels"]] == [(1, 1), (2, 1)]
    bare = replace(PICTURE, levels=[Level(350, 250), Level(700, 500)], folder="S%201_files")
    beside = load(scene_json(scene, bare))["picture"]
    assert beside["folder"] == "S%201_files"
    assert all("tiles" not in level for level in beside["levels"])
