"""Predictions: the ensemble's mean, whatever the batches, with a row for every tile."""

import functools
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from click.testing import CliRunner

from histotile.cli import cli
from histotile.config import Engine
from histotile.data import source
from histotile.errors import HistotileError
from histotile.inference import predict
from histotile.inference.checkpoint import TrainedModel
from histotile.inference.ensemble import Ensemble, load_members
from histotile.inference.predict import Prediction, predict_slide, predict_slides
from histotile.io import tables
from histotile.slides.slide import Slide
from histotile.slides.tile_reader import read_tile

Make = Callable[..., TrainedModel]
MakeSlide = Callable[..., Path]
MakeEnsemble = Callable[..., Ensemble]


def by_hand(table: Path, models: list[TrainedModel]) -> np.ndarray:
    """Probabilities without engine, batches or read-ahead."""
    rows = tables.read_table(table).to_pylist()
    found = []
    with Slide.open(Path(tables.read_footer(table)["path"]), 0.5) as slide, torch.inference_mode():
        for row in rows:
            tile = torch.from_numpy(read_tile(slide, row["x"], row["y"], 0.5, 64).copy())
            members = []
            for model in models:
                mean, std = torch.tensor(model.mean), torch.tensor(model.std)
                batch = ((tile / 255 - mean) / std).permute(2, 0, 1)[None]
                members.append(model.network(batch).softmax(1)[0])
            found.append(torch.stack(members).mean(0).numpy())
    return np.array(found)


def probabilities(columns: dict[str, Any]) -> np.ndarray:
    return np.stack([columns["prob_healthy"], columns["prob_tumour"]], axis=1)


@pytest.mark.parametrize(("batch_size", "threads"), [(1, 1), (5, 2), (32, 1)])
def test_probabilities_are_the_ensembles_mean(
    make_slide: MakeSlide,
    make_model: Make,
    make_ensemble: MakeEnsemble,
    batch_size: int,
    threads: int,
) -> None:
    table = make_slide("s")
    models = [make_model(seed=1), make_model(seed=2)]
    before = torch.get_num_threads()
    found = predict_slide(table, make_ensemble(*models, threads=threads), batch_size)
    torch.set_num_threads(before)
    np.testing.assert_allclose(probabilities(found.columns), by_hand(table, models), atol=1e-5)
    assert probabilities(found.columns).std() > 0.01  # tiles differ: the test can fail
    assert found.facts["models"] == [m.model_id for m in models]
    assert (found.facts["engine"], found.facts["precision"]) == ("torch", "float32")
    timing = found.timing()
    assert (timing["tiles"], timing["engine"], timing["reader"]) == (32, "torch", "openslide")
    assert timing["computing_share"] > 0


def test_columns_make_a_prediction_table(
    tmp_path: Path, make_slide: MakeSlide, make_model: Make, make_ensemble: MakeEnsemble
) -> None:
    table = make_slide("s")
    found = predict_slide(table, make_ensemble(make_model()))
    schema = tables.prediction_schema(found.task.columns)
    tables.write_table(tmp_path / "p.parquet", found.columns, schema, found.facts)
    written = tables.read_table(tmp_path / "p.parquet")
    rows = tables.read_table(table)
    for name in ("tile_id", "x", "y"):
        assert written[name].to_pylist() == rows[name].to_pylist()
    total = np.sum([written[c].to_numpy() for c in found.task.columns], axis=0)
    np.testing.assert_allclose(total, 1, atol=1e-6)


def test_excluded_tiles_are_not_predicted(
    make_slide: MakeSlide, make_model: Make, make_ensemble: MakeEnsemble
) -> None:
    excluded = [None, "pen", None, "blur"] * 8
    found = predict_slide(make_slide("s", excluded=excluded), make_ensemble(make_model()))
    assert found.columns["tile_id"].tolist() == list(range(0, 32, 2))


def test_a_slide_without_tissue_gives_no_rows(
    make_slide: MakeSlide, make_model: Make, make_ensemble: MakeEnsemble
) -> None:
    found = predict_slide(make_slide("s", excluded=["pen"] * 32), make_ensemble(make_model()))
    assert all(len(column) == 0 for column in found.columns.values())
    assert found.timing()["tiles_per_s"] == 0


def test_damaged_tiles_are_left_out_and_named(
    make_slide: MakeSlide,
    make_model: Make,
    make_ensemble: MakeEnsemble,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from histotile.slides.slide import UnreadableTile

    whole = predict_slide(make_slide("s"), make_ensemble(make_model()), batch_size=4)

    def damaged(slide: Slide, x: int, y: int, mpp: float, tile_px: int) -> np.ndarray:
        if (x, y) == (128, 64):
            raise UnreadableTile("damaged")
        return read_tile(slide, x, y, mpp, tile_px)

    monkeypatch.setattr(source, "read_tile", damaged)
    found = predict_slide(make_slide("s"), make_ensemble(make_model()), batch_size=4)
    assert found.facts["unreadable"] == [10]
    assert found.facts["lost_share"] == pytest.approx(1 / 32)
    kept = np.arange(32) != 10
    np.testing.assert_allclose(
        probabilities(found.columns), probabilities(whole.columns)[kept], atol=1e-5
    )
    assert found.columns["x"].tolist() == whole.columns["x"][kept].tolist()


@pytest.mark.parametrize("change", [{"tile_mpp": 1.0}, {"tile_px": 96}])
def test_tiles_of_another_scale_are_refused(
    make_slide: MakeSlide, make_model: Make, make_ensemble: MakeEnsemble, change: dict[str, Any]
) -> None:
    with pytest.raises(HistotileError, match="the model was trained on"):
        predict_slide(make_slide("s"), make_ensemble(make_model(**change)))


def test_progress_counts_tiles(
    make_slide: MakeSlide, make_model: Make, make_ensemble: MakeEnsemble
) -> None:
    seen: list[tuple[int, int]] = []
    predict_slide(
        make_slide("s"),
        make_ensemble(make_model()),
        10,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(10, 32), (20, 32), (30, 32), (32, 32)]


def test_pixels_are_read_once_for_the_whole_ensemble(
    make_slide: MakeSlide,
    make_model: Make,
    make_ensemble: MakeEnsemble,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reads: list[tuple[int, int]] = []

    def counted(slide: Slide, x: int, y: int, mpp: float, tile_px: int) -> np.ndarray:
        reads.append((x, y))
        return read_tile(slide, x, y, mpp, tile_px)

    monkeypatch.setattr(source, "read_tile", counted)
    predict_slide(make_slide("s"), make_ensemble(*(make_model(seed=s) for s in range(3))))
    assert len(reads) == len(set(reads)) == 32


def written(path: Path, found: Prediction) -> bytes:
    tables.write_table(
        path, found.columns, tables.prediction_schema(found.task.columns), found.facts
    )
    return path.read_bytes()


@pytest.mark.parametrize("name", ["torch", "openvino", "onnxruntime"])
def test_engine_batches_and_readers_do_not_change_probabilities(
    make_slide: MakeSlide,
    trained: Path,
    make_engine: Callable[..., Engine],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    name: str,
) -> None:
    table = make_slide("s")
    reference = predict_slide(table, load_members([trained], make_engine("torch"), 1), 32)
    expected = probabilities(reference.columns)
    ensemble = load_members([trained], make_engine(name), 1)
    whole = predict_slide(table, ensemble, 32)
    assert whole.facts["engine"] == name
    np.testing.assert_allclose(probabilities(whole.columns), expected, atol=1e-4)
    for size in (1, 7, None):
        parts = probabilities(predict_slide(table, ensemble, size).columns)
        np.testing.assert_allclose(parts, probabilities(whole.columns), atol=1e-5)
    first = written(tmp_path / "a.parquet", whole)
    for readers in (1, 3):
        monkeypatch.setattr(predict, "readers_for", lambda _, readers=readers: readers)
        again = load_members([trained], make_engine(name), 1)
        assert written(tmp_path / "b.parquet", predict_slide(table, again, 32)) == first


def test_who_reads_the_slide_does_not_change_probabilities(
    tmp_path: Path,
    make_slide: MakeSlide,
    make_model: Make,
    make_ensemble: MakeEnsemble,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "jpeg.tiff"
    rgb = np.random.default_rng(0).integers(60, 240, (32, 64, 3), np.uint8)
    rgb = rgb.repeat(8, 0).repeat(8, 1)
    tifffile.imwrite(path, rgb, tile=(64, 64), photometric="rgb", compression="jpeg")
    table = make_slide("s", path=str(path), x=np.tile(np.arange(3, 448, 56, dtype=np.int32), 4))
    direct = predict_slide(table, make_ensemble(make_model()))
    by_hand = functools.partial(Slide.open, reader="openslide")
    monkeypatch.setattr(Slide, "open", by_hand)
    openslide = predict_slide(table, make_ensemble(make_model()))
    assert (direct.profiler.reader, openslide.profiler.reader) == ("direct", "openslide")
    np.testing.assert_array_equal(probabilities(direct.columns), probabilities(openslide.columns))


def test_rows_are_in_the_order_of_tile_id_whatever_the_table_has(
    make_slide: MakeSlide, make_model: Make, make_ensemble: MakeEnsemble
) -> None:
    plain = predict_slide(make_slide("s"), make_ensemble(make_model()))
    shuffled = np.random.default_rng(0).permutation(32).astype(np.int32)
    other = predict_slide(make_slide("s", tile_id=shuffled), make_ensemble(make_model()))
    assert other.columns["tile_id"].tolist() == list(range(32))
    np.testing.assert_allclose(
        probabilities(other.columns), probabilities(plain.columns)[np.argsort(shuffled)], atol=1e-5
    )
    np.testing.assert_array_equal(other.columns["x"], plain.columns["x"][np.argsort(shuffled)])


def test_sixteen_bit_floats_are_used_where_the_slide_allows_it(
    make_slide: MakeSlide, make_model: Make, make_ensemble: MakeEnsemble, tmp_path: Path
) -> None:
    table, model = make_slide("s"), make_model()
    full = predict_slide(table, make_ensemble(model))
    loose = make_ensemble(model, reduced="bfloat16", bound=0.1)
    found = predict_slide(table, loose)
    difference = np.abs(probabilities(found.columns) - probabilities(full.columns)).max()
    assert 0 < difference < 0.1
    said = f"bfloat16, max |dp| {difference:.2g} on 32 tiles (bound 0.1)"
    assert found.facts["precision"] == said
    assert found.timing()["precision"] == "bfloat16"
    assert written(tmp_path / "a", predict_slide(table, loose)) == written(tmp_path / "b", found)
    strict = predict_slide(table, make_ensemble(model, reduced="bfloat16", bound=difference / 2))
    np.testing.assert_array_equal(probabilities(strict.columns), probabilities(full.columns))
    assert strict.facts["precision"].startswith("float32: bfloat16 differs by")
    assert strict.timing()["precision"] == "float32"
    nothing = predict_slide(make_slide("n", excluded=["pen"] * 32), loose)
    assert nothing.facts["precision"] == "float32"


def test_slides_can_share_a_process(
    make_slide: MakeSlide, make_model: Make, make_ensemble: MakeEnsemble
) -> None:
    slides = [make_slide("a"), make_slide("none", excluded=["pen"] * 32), make_slide("b", seed=1)]
    together = list(predict_slides(slides, make_ensemble(make_model()), 5))
    for table, found in zip(slides, together, strict=True):
        alone = predict_slide(table, make_ensemble(make_model()), 5)
        assert found.facts == alone.facts
        for name, column in alone.columns.items():
            np.testing.assert_array_equal(found.columns[name], column)


@pytest.mark.skipif(torch.cuda.is_available(), reason="on a GPU PyTorch predicts")
def test_predict_needs_no_pytorch_and_repeats_its_bytes(
    make_slide: MakeSlide,
    trained: Path,
    make_engine: Callable[..., Engine],
    run_verb: Callable[..., str],
    tmp_path: Path,
) -> None:
    slides = [str(make_slide("s")), str(make_slide("t", seed=1))]
    words = ["--engine", make_engine("auto", "auto").model_dump_json(), "--threads", "1"]

    def run(*more: str) -> str:
        return run_verb("predict", str(trained.parent), *more, *words)

    one, timing = tmp_path / "one.parquet", tmp_path / "one.timing.json"
    said = run(slides[0], "-o", str(one), "--timing", str(timing))
    assert "imported []" in said
    assert "bottleneck" in said and "openvino on cpu" in said
    assert json.loads(timing.read_text())["engine"] == "openvino"
    first = one.read_bytes()
    run(*slides, "-o", str(tmp_path / "many"), "--timing", str(tmp_path / "many"))
    assert (tmp_path / "many" / "s.parquet").read_bytes() == first
    names = sorted(p.name for p in (tmp_path / "many").iterdir())
    assert names == ["s.parquet", "s.timing.json", "t.parquet", "t.timing.json"]


def test_start_and_judges_are_those_of_each_group_of_slides(
    make_slide: MakeSlide,
    make_model: Make,
    make_engine: Callable[..., Engine],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    ages = iter((5.0, 50.0, 57.0, 80.0))  # ready, done; ready again, done
    monkeypatch.setattr("histotile.stages.predict.process_age_s", lambda: next(ages))
    models = [make_model(seed=1), make_model(seed=2)]
    for number, model in enumerate(models):
        model.save(tmp_path / f"train/fold{number}/model.ckpt")
    rows = ["0,a,P1,,,test", "0,b,P2,,,train", "0,c,P3,,,test", "0,d,P4,,,val"]
    rows += ["1,a,P1,,,train", "1,b,P2,,,test", "1,c,P3,,,train", "1,d,P4,,,val"]
    folds = tmp_path / "folds.csv"
    folds.write_text("\n".join(["fold,slide_id,patient_id,site,label,role", *rows]) + "\n")
    slides = [str(make_slide(name, seed=n)) for n, name in enumerate("abc")]
    line = ["predict", str(tmp_path / "train"), *slides, "--folds", str(folds), "--threads", "1"]
    line += ["--engine", make_engine("torch").model_dump_json()]
    line += ["-o", str(tmp_path / "out"), "--timing", str(tmp_path / "out")]
    CliRunner().invoke(cli, line, catch_exceptions=False)
    for name, fold, started in (("a", 0, 5), ("b", 1, 7), ("c", 0, 0)):
        found = tables.read_footer(tmp_path / f"out/{name}.parquet")
        assert (found["slide_id"], found["models"]) == (name, [models[fold].model_id])
        timing = json.loads((tmp_path / f"out/{name}.timing.json").read_text())
        assert started <= timing["start_s"] < started + 2


@pytest.mark.parametrize("verb", ["predict", "embed"])
def test_tables_of_one_name_are_refused(
    make_slide: MakeSlide, saved: Path, tmp_path: Path, verb: str
) -> None:
    table = make_slide("s")
    (tmp_path / "other").mkdir()
    other = Path(shutil.copy(table, tmp_path / "other" / "s.parquet"))
    model = [str(saved)] if verb == "predict" else []
    line = [verb, *model, str(table), str(other), "-o", str(tmp_path / "out")]
    with pytest.raises(HistotileError, match=r"other.*s\.parquet: has the name of"):
        CliRunner().invoke(cli, line, catch_exceptions=False)
