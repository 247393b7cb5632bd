"""Predictions: the ensemble's mean, whatever the batches, with a row for every tile."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from histotile import tables
from histotile.errors import HistotileError
from histotile.models.checkpoint import TrainedModel
from histotile.models.members import Ensemble
from histotile.models.prediction import predict_slide
from histotile.slides.pixels import read_tile
from histotile.slides.slide import Slide

Make = Callable[..., TrainedModel]
MakeSlide = Callable[..., Path]
Judges = Callable[..., Ensemble]


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
    make_slide: MakeSlide, make_model: Make, judges: Judges, batch_size: int, threads: int
) -> None:
    table = make_slide("s")
    models = [make_model(seed=1), make_model(seed=2)]
    before = torch.get_num_threads()
    found = predict_slide(table, judges(*models, threads=threads), batch_size)
    torch.set_num_threads(before)
    np.testing.assert_allclose(probabilities(found.columns), by_hand(table, models), atol=1e-5)
    assert probabilities(found.columns).std() > 0.01  # tiles differ: the test can fail
    assert found.facts["models"] == [m.model_id for m in models]
    assert (found.facts["engine"], found.facts["precision"]) == ("torch", "float32")
    timing = found.timing()
    assert (timing["tiles"], timing["engine"], timing["reader"]) == (32, "torch", "openslide")
    assert timing["computing_share"] > 0


def test_columns_make_a_prediction_table(
    tmp_path: Path, make_slide: MakeSlide, make_model: Make, judges: Judges
) -> None:
    table = make_slide("s")
    found = predict_slide(table, judges(make_model()))
    schema = tables.prediction_schema(found.classes)
    tables.write_table(tmp_path / "p.parquet", found.columns, schema, found.facts)
    written = tables.read_table(tmp_path / "p.parquet")
    rows = tables.read_table(table)
    for name in ("tile_id", "x", "y"):
        assert written[name].to_pylist() == rows[name].to_pylist()
    total = np.sum([written[f"prob_{c}"].to_numpy() for c in found.classes], axis=0)
    np.testing.assert_allclose(total, 1, atol=1e-6)


def test_excluded_tiles_are_not_predicted(
    make_slide: MakeSlide, make_model: Make, judges: Judges
) -> None:
    excluded = [None, "pen", None, "blur"] * 8
    found = predict_slide(make_slide("s", excluded=excluded), judges(make_model()))
    assert found.columns["tile_id"].tolist() == list(range(0, 32, 2))


def test_a_slide_without_tissue_gives_no_rows(
    make_slide: MakeSlide, make_model: Make, judges: Judges
) -> None:
    found = predict_slide(make_slide("s", excluded=["pen"] * 32), judges(make_model()))
    assert all(len(column) == 0 for column in found.columns.values())
    assert found.timing()["tiles_per_s"] == 0


def test_damaged_tiles_are_left_out_and_named(
    make_slide: MakeSlide, make_model: Make, judges: Judges, monkeypatch: pytest.MonkeyPatch
) -> None:
    from histotile.slides.slide import UnreadableTile
    from histotile.tiles import source

    whole = predict_slide(make_slide("s"), judges(make_model()), batch_size=4)

    def damaged(slide: Slide, x: int, y: int, mpp: float, tile_px: int) -> np.ndarray:
        if (x, y) == (128, 64):
            raise UnreadableTile("damaged")
        return read_tile(slide, x, y, mpp, tile_px)

    monkeypatch.setattr(source, "read_tile", damaged)
    found = predict_slide(make_slide("s"), judges(make_model()), batch_size=4)
    assert found.facts["unreadable"] == [10]
    kept = np.arange(32) != 10
    np.testing.assert_allclose(
        probabilities(found.columns), probabilities(whole.columns)[kept], atol=1e-5
    )
    assert found.columns["x"].tolist() == whole.columns["x"][kept].tolist()


@pytest.mark.parametrize("change", [{"tile_mpp": 1.0}, {"tile_px": 96}])
def test_tiles_of_another_scale_are_refused(
    make_slide: MakeSlide, make_model: Make, judges: Judges, change: dict[str, Any]
) -> None:
    with pytest.raises(HistotileError, match="the model was trained on"):
        predict_slide(make_slide("s"), judges(make_model(**change)))
    with pytest.raises(HistotileError, match=next(iter(change))):
        predict_slide(make_slide("s"), judges(make_model(), make_model(**change)))


def test_progress_counts_tiles(make_slide: MakeSlide, make_model: Make, judges: Judges) -> None:
    seen: list[tuple[int, int]] = []
    predict_slide(
        make_slide("s"),
        judges(make_model()),
        10,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(10, 32), (20, 32), (30, 32), (32, 32)]


def test_pixels_are_read_once_for_the_whole_ensemble(
    make_slide: MakeSlide, make_model: Make, judges: Judges, monkeypatch: pytest.MonkeyPatch
) -> None:
    from histotile.tiles import source

    reads: list[tuple[int, int]] = []

    def counted(slide: Slide, x: int, y: int, mpp: float, tile_px: int) -> np.ndarray:
        reads.append((x, y))
        return read_tile(slide, x, y, mpp, tile_px)

    monkeypatch.setattr(source, "read_tile", counted)
    predict_slide(make_slide("s"), judges(*(make_model(seed=s) for s in range(3))))
    assert len(reads) == len(set(reads)) == 32
