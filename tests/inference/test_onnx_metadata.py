"""ONNX files say what they are without being loaded, and the same weights give the same bytes."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from histotile.backbones.build import Architecture
from histotile.errors import HistotileError
from histotile.inference import onnx_export
from histotile.inference.checkpoint import TrainedModel
from histotile.inference.engines.openvino import OpenVinoEngine
from histotile.inference.onnx_export import Graph, keep_onnx, relative_difference, write_onnx
from histotile.inference.onnx_metadata import read_onnx_metadata, torch_only

Make = Callable[..., TrainedModel]
PLAIN = Architecture("any", {}, (0.5,) * 3, (0.2,) * 3)


class Means(nn.Module):
    """Mean of each channel."""

    def forward(self, tiles: torch.Tensor) -> torch.Tensor:
        return tiles.mean((2, 3))


class Choosy(nn.Module):
    """Looks at its numbers to decide what to compute, which no graph can hold."""

    def forward(self, tiles: torch.Tensor) -> torch.Tensor:
        found = tiles.mean((2, 3))
        return found if bool(found.sum() > 0) else -found


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A file whose facts are long."""
    path = tmp_path_factory.mktemp("written") / "m.onnx"
    write_onnx(path, Graph(Means(), PLAIN, 32), {"long": "x" * 9000})
    return path.read_bytes()


def test_facts_are_those_written(tmp_path: Path, make_model: Make) -> None:
    model = make_model(classes=("healthy", "naïve ✓"))
    write_onnx(tmp_path / "m.onnx", model.graph(), model.metadata())
    facts = read_onnx_metadata(tmp_path / "m.onnx")
    notice = facts.pop("notice")
    assert "Research use only" in notice
    assert facts == json.loads(json.dumps(model.metadata()))
    assert torch_only(facts) == ""
    (entry,) = onnx.load(tmp_path / "m.onnx").metadata_props
    assert json.loads(entry.value) == {**facts, "notice": notice}


def test_same_weights_give_the_same_bytes_and_tell_nothing_of_this_machine(
    tmp_path: Path, make_model: Make
) -> None:
    written = []
    for name in ("a", "b"):
        model = make_model()
        assert keep_onnx(tmp_path / name, model.graph(), model.metadata()) == ""
        written.append((tmp_path / name).read_bytes())
    assert written[0] == written[1]
    for word in (b"site-packages", b"/home", str(Path.cwd()).encode(), b"histotile.inference"):
        assert word not in written[0]


def test_a_network_no_graph_can_hold_is_left_to_pytorch(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    reason = keep_onnx(path, Graph(Choosy(), PLAIN, 32), {"a": 1})
    facts = read_onnx_metadata(path)
    assert reason and torch_only(facts) == reason and facts["a"] == 1
    assert len(reason) < 300 and "\n" not in reason
    with pytest.raises(Exception, match=r"."):
        write_onnx(tmp_path / "strict.onnx", Graph(Choosy(), PLAIN, 32), {})
    assert list(tmp_path.iterdir()) == [path]


def test_an_engine_that_says_something_else_is_not_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Off(OpenVinoEngine):
        def outputs(self, tiles: np.ndarray) -> list[np.ndarray]:
            return [found * np.float32(1.001) for found in super().outputs(tiles)]

    graph = Graph(Means(), PLAIN, 32)
    assert keep_onnx(tmp_path / "right.onnx", graph, {}) == ""
    monkeypatch.setitem(onnx_export._ENGINES, "openvino", Off)
    reason = keep_onnx(tmp_path / "wrong.onnx", graph, {})
    assert reason == "openvino differs from PyTorch by 1.0e-03 of the largest output"
    assert torch_only(read_onnx_metadata(tmp_path / "wrong.onnx")) == reason


def test_groups_of_columns_are_compared_each_on_its_own_scale() -> None:
    wanted = np.array([[1000.0, 0.01]], np.float32)
    found = np.array([[1000.0, 0.02]], np.float32)
    assert relative_difference(found, wanted) == pytest.approx(1e-5, rel=1e-3)
    assert relative_difference(found, wanted, (1, 1)) == pytest.approx(1, rel=1e-3)
    assert relative_difference(found[:, :1], wanted) == float("inf")
    assert np.isnan(relative_difference(found * np.nan, wanted))


@pytest.mark.parametrize("kept", [0, 1, 50, 5000, -1])
def test_what_is_cut_short_is_named(tmp_path: Path, written: bytes, kept: int) -> None:
    (tmp_path / "cut.onnx").write_bytes(written[:kept])
    with pytest.raises(HistotileError, match=r"cut\.onnx.*(not a readable|did not write)"):
        read_onnx_metadata(tmp_path / "cut.onnx")


def test_files_of_others_are_refused(tmp_path: Path) -> None:
    with pytest.raises(HistotileError, match="not a readable ONNX file"):
        read_onnx_metadata(tmp_path / "missing.onnx")
    (tmp_path / "text.onnx").write_text("this is no network at all")
    with pytest.raises(HistotileError, match="not a readable"):
        read_onnx_metadata(tmp_path / "text.onnx")
    graph = onnx.helper.make_graph([], "empty", [], [])
    onnx.save(onnx.helper.make_model(graph), tmp_path / "foreign.onnx")
    with pytest.raises(HistotileError, match="did not write"):
        read_onnx_metadata(tmp_path / "foreign.onnx")
