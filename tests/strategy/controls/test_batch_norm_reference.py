"""The ruler: natural photographs lie near, tissue lies far, other backbones are refused."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from histotile.backbones.build import (
    body_digest,
    build_network,
)
from histotile.backbones.stages import StageFeatures
from histotile.config import Backbone
from histotile.errors import HistotileError
from histotile.inference.engines.torch import TorchEngine
from histotile.io.atomic import write_json
from histotile.io.features import BnShift
from histotile.strategy.controls.batch_norm_reference import (
    CLEARLY,
    build_ruler,
    deep_shift,
    judge,
    read_ruler,
)
from histotile.strategy.controls.batch_norm_shift import (
    Shifts,
    measure_bn_shift,
)

Rgb = NDArray[np.uint8]
PX = 96
FACTS = {"backbone_id": "abc", "tile_px": PX, "anchors": [0.02, 0.03]}


@pytest.fixture(scope="module")
def imagenet(shared_data: Path) -> Backbone:
    """MobileNetV2 0.35 as trained on ImageNet."""
    norm = {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}
    return Backbone(
        name="mobilenetv2_035",
        weights=str(shared_data / "weights/mobilenetv2_035_in1k_headless_from_tm_float32.pth"),
        domain="auto",
        options={"pad_type": "same", "pretrained_cfg_overlay": norm},
    )


@pytest.fixture(scope="module")
def ruler(imagenet: Backbone, shared_data: Path) -> dict[str, Any]:
    return build_ruler(imagenet, shared_data / "photos", PX, threads=1)


def tissue(folder: Path, count: int) -> Rgb:
    """The middles of evenly chosen tiles of a folder, (count, PX, PX, 3) RGB."""
    files = sorted(f for f in folder.rglob("*") if f.suffix in {".png", ".jpg", ".tif"})
    found = []
    for k in np.linspace(0, len(files) - 1, count).astype(int):
        picture = cv2.imread(str(files[k]))
        assert picture is not None
        y, x = ((side - PX) // 2 for side in picture.shape[:2])
        found.append(cv2.cvtColor(picture[y : y + PX, x : x + PX], cv2.COLOR_BGR2RGB))
    return np.stack(found)


def shift_of(backbone: Backbone, tiles: Rgb) -> Shifts:
    network, architecture = build_network(backbone, 2, PX)
    stages = StageFeatures(network)
    engine = TorchEngine(stages, architecture.mean, architecture.std, device="cpu", threads=1)
    parts = (tiles[k : k + 32] for k in range(0, len(tiles), 32))
    (found,) = measure_bn_shift(
        network, engine, ((part, np.ones((len(part), 1))) for part in parts)
    )
    return found


@pytest.mark.parametrize(
    ("folder", "count"),
    [
        pytest.param("kather2016_100png", 100, marks=pytest.mark.slow),
        ("colorectal5_flagy", 128),
    ],
)
def test_tissue_lies_farther_from_imagenet_than_photographs(
    imagenet: Backbone, ruler: dict[str, Any], shared_data: Path, folder: str, count: int
) -> None:
    found = shift_of(imagenet, tissue(shared_data / "tiles" / folder, count))
    assert judge(found, ruler) == "different"
    assert deep_shift(found) > 1.8 * max(ruler["anchors"])
    whole = [BnShift(**entry) for entry in ruler["stages"]]
    assert all(a.hellinger > b.hellinger for a, b in zip(found, whole, strict=True))


def test_photographs_are_similar_to_photographs(ruler: dict[str, Any]) -> None:
    whole = [BnShift(**entry) for entry in ruler["stages"]]
    assert judge(whole, ruler) == "similar"
    assert deep_shift(whole) < 0.025
    assert max(ruler["anchors"]) < 1.6 * min(ruler["anchors"])
    assert (ruler["photographs"], ruler["crops"], len(ruler["anchors"])) == (10, 520, 20)


def test_a_ruler_is_written_and_read(
    imagenet: Backbone, ruler: dict[str, Any], tmp_path: Path
) -> None:
    write_json(tmp_path / "ruler.json", ruler)
    network, _ = build_network(imagenet, 7, PX)  # whatever the head
    assert read_ruler(tmp_path / "ruler.json", body_digest(network), PX) == ruler


def test_rulers_for_something_else_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "ruler.json"
    write_json(path, FACTS)
    assert read_ruler(path, "abc", PX) == FACTS
    with pytest.raises(HistotileError, match="is for backbone abc and tiles of 96 px"):
        read_ruler(path, "def", PX)
    with pytest.raises(HistotileError, match="histotile ruler"):
        read_ruler(path, "abc", 224)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", json.dumps(FACTS | {"anchors": []}), json.dumps({"tile_px": "x"})]
)
def test_what_is_no_ruler_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "ruler.json"
    path.write_text(text)
    with pytest.raises(HistotileError, match="no ruler of histotile"):
        read_ruler(path, "abc", PX)
    with pytest.raises(HistotileError, match="no ruler of histotile"):
        read_ruler(tmp_path / "absent.json", "abc", PX)


def test_the_deeper_half_decides() -> None:
    shallow = [BnShift(1, 0.9, 5.0), BnShift(2, 0.9, 5.0)]
    near = [BnShift(3, 0.02, 0.2), BnShift(4, 0.03, 0.2), BnShift(5, 0.04, 0.2)]
    far = [BnShift(stage, CLEARLY * 0.03 + 0.001, 1.0) for stage in (3, 4, 5)]
    assert deep_shift([*shallow, *near]) == pytest.approx(0.03)
    assert judge([*shallow, *near], FACTS) == "similar"
    assert judge([*shallow, *far], FACTS) == "different"
    assert judge(far, None) is None
    assert judge([], FACTS) is None


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Six pictures of coloured blotches, of different sizes and formats; one smaller than PX."""
    rng = np.random.default_rng(0)
    suffixes = ("a.png", "b.JPG", "c.bmp", "sub/d.tif", "e.jpeg", "f.png")
    for number, name in enumerate(suffixes):
        path = tmp_path / "pictures" / name
        path.parent.mkdir(exist_ok=True, parents=True)
        blotches = rng.integers(0, 256, (9 + 4 * number, 12, 3), np.uint8)
        cv2.imwrite(str(path), blotches.repeat(8, 0).repeat(8, 1))
    (tmp_path / "pictures" / "README.txt").write_text("no picture")
    return tmp_path / "pictures"


def test_a_ruler_is_the_same_each_time(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("histotile.strategy.controls.batch_norm_reference._CROPS", 50)
    backbone = Backbone(name="auto", weights="shipped:natural", domain="auto", options={})
    done: list[tuple[int, int]] = []
    one = build_ruler(backbone, pictures, PX, 1, lambda *counts: done.append(counts))
    assert one == build_ruler(backbone, pictures, PX, 1)
    assert one["photographs"] == 6
    assert done[-1] == (54, 54)
    assert json.loads(json.dumps(one)) == one


def test_folders_and_networks_without_ruler(pictures: Path, tiny_backbone: Backbone) -> None:
    with pytest.raises(HistotileError, match="no statistics of batch norm"):
        build_ruler(tiny_backbone, pictures, PX)  # random weights
    backbone = Backbone(name="auto", weights="shipped:natural", domain="auto", options={})
    (pictures / "g.png").write_bytes(b"junk")
    with pytest.raises(HistotileError, match=r"g\.png: not a readable image"):
        build_ruler(backbone, pictures, PX, 1)
    with pytest.raises(HistotileError, match="1 jpg, png, bmp or tif files; a ruler needs 6"):
        build_ruler(backbone, pictures / "sub", PX)
