"""Engines for ONNX files: what PyTorch says, whatever the batch, without PyTorch or a network."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import softmax

from histotile.inference.engines.engine import Engine
from histotile.inference.engines.onnxruntime import OnnxRuntimeEngine
from histotile.inference.engines.openvino import OpenVinoEngine, computes_in_bf16
from histotile.inference.engines.torch import TorchEngine

Make = Callable[..., Engine]
ByTorch = Callable[..., TorchEngine]
Tiles = NDArray[np.uint8]
both = pytest.mark.parametrize("make", [OpenVinoEngine, OnnxRuntimeEngine])


@both
def test_probabilities_are_those_of_pytorch(
    file: Path, by_torch: ByTorch, tiles: Tiles, make: Make
) -> None:
    ours = softmax(by_torch()(tiles), axis=1)
    engine = make(file, 1)
    logits = engine(tiles)
    assert logits.dtype == np.float32
    np.testing.assert_allclose(softmax(logits, axis=1), ours, atol=1e-5)
    assert ours.std(axis=0).max() > 0.01  # tiles differ: the test can fail
    assert (engine.device, engine.precision) == ("cpu", "float32")


@both
@pytest.mark.parametrize("threads", [1, 2])
def test_a_tile_says_the_same_in_any_batch(
    file: Path, tiles: Tiles, make: Make, threads: int
) -> None:
    engine = make(file, threads)
    whole = engine(tiles)
    for size in (1, 4, 5, 13):
        parts = [engine(tiles[k : k + size]) for k in range(0, len(tiles), size)]
        np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-5)
    np.testing.assert_array_equal(engine(tiles), whole)
    np.testing.assert_allclose(engine(tiles[::-1])[::-1], whole, atol=1e-5)


@both
def test_what_comes_out_is_not_overwritten_by_the_next_batch(
    file: Path, tiles: Tiles, make: Make
) -> None:
    engine = make(file, 1)
    first = engine(tiles[:4])
    kept = first.copy()
    engine(tiles[4:8])
    np.testing.assert_array_equal(first, kept)


@both
def test_a_file_that_holds_no_network_is_an_error(tmp_path: Path, make: Make) -> None:
    (tmp_path / "empty.onnx").write_bytes(b"no network")
    with pytest.raises(RuntimeError):
        make(tmp_path / "empty.onnx")


def test_openvino_says_what_it_computes_in(file: Path, tiles: Tiles) -> None:
    full = softmax(OpenVinoEngine(file, 1)(tiles), axis=1)
    engine = OpenVinoEngine(file, 1, "bfloat16")
    difference = np.abs(softmax(engine(tiles), axis=1) - full).max()
    assert difference < 0.05
    assert engine.precision == ("bfloat16" if difference > 0 else "float32")
    if computes_in_bf16():
        assert engine.precision == "bfloat16"


_TALK = """
import json, sys
calls = []
sys.addaudithook(lambda event, _: calls.append(event) if event.startswith("socket.") else None)
from pathlib import Path
from histotile.inference.engines.openvino import OpenVinoEngine, computes_in_bf16
computes_in_bf16()
OpenVinoEngine(Path(sys.argv[1]))
import threading
for thread in threading.enumerate():
    if thread is not threading.main_thread():
        thread.join(10)
heavy = {"torch", "timm", "onnx", "requests", "pytorch_lightning"} & set(sys.modules)
print(json.dumps([calls, sorted(heavy), sorted(map(str, Path.home().rglob("*")))]))
"""


def test_openvino_reports_nothing_to_anybody(tmp_path: Path, file: Path) -> None:
    """Its import would look www.google-analytics.com up and leave an id in the home folder."""
    words = [sys.executable, "-c", _TALK, str(file)]
    environment = {"HOME": str(tmp_path), "PATH": "/usr/bin"}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [[], [], []]


def test_signals_find_their_stack_after_engines_have_gone(file: Path) -> None:
    code = """
import gc, os, signal, sys, threading
from pathlib import Path
from histotile.inference.engines.openvino import OpenVinoEngine
signal.signal(signal.SIGUSR1, lambda *_: None)
engines = [OpenVinoEngine(Path(sys.argv[1]), 1)]
thread = threading.Thread(target=lambda: (engines.clear(), gc.collect()))
thread.start()
thread.join()
os.kill(os.getpid(), signal.SIGUSR1)
print("alive")
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(file)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "alive\n")
