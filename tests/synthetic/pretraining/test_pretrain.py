"""The recipe of the shipped backbones, and the backbones themselves."""

import json
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

from histotile.backbones.build import normalisation
from histotile.backbones.sources import SHIPPED
from histotile.config import Pretrain
from histotile.synthetic.pretraining import natural_images
from histotile.synthetic.pretraining.pretrain import HELD_OUT, SOURCES, Kind, pretrain

TOY = Pretrain(
    rounds=5,
    round_pictures=160,
    passes=2,
    tile_px=48,
    batch_size=16,
    lr=0.002,
    weight_decay=0.05,
    precision="32",
    seed=3,
)
KINDS: tuple[Kind, ...] = ("natural", "histology")


def _load(folder: Path) -> nn.Module:
    network: nn.Module = timm.create_model(f"local-dir:{folder}", pretrained=True)
    return network.eval()


def _accuracy(network: nn.Module, kind: Kind, seed: int, count: int, px: int) -> float:
    """Balanced accuracy of the network's own head on the first question of new pictures."""
    pictures, answers = SOURCES[kind]().draw(seed, count, px)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in normalisation(network))
    with torch.inference_mode():
        batch = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
        given = network((batch - mean) / std).argmax(1).numpy()
    right = answers[:, 0]
    return float(np.mean([(given[right == k] == k).mean() for k in np.unique(right)]))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["natural", "histology"])
def test_recipe_learns_and_writes_what_timm_loads(tmp_path: Path, kind: Kind) -> None:
    calls: list[tuple[int, int, float]] = []
    result = pretrain(kind, tmp_path / "out", TOY, lambda *seen: calls.append(seen))
    assert [done for done, _, _ in calls] == [320 * n for n in range(1, 6)]
    assert {total for _, total, _ in calls} == {result.pictures} == {1600}
    if kind == "histology":  # natural pictures take some hundred steps more
        assert min(result.curve[-2:]) < result.curve[0] - 0.1
        assert result.accuracy["tissue"] > 1.5 * result.chance["tissue"]

    # The folder answers exactly as the network in memory did: same pictures, same accuracy.
    first = next(iter(SOURCES[kind]().questions))
    seed = TOY.seed * HELD_OUT * 10 + HELD_OUT
    network = _load(tmp_path / "out")
    again = _accuracy(network, kind, seed, TOY.round_pictures, TOY.tile_px)
    assert again == pytest.approx(result.accuracy[first], abs=1e-4)
    facts = json.loads((tmp_path / "out" / "pretraining.json").read_text())
    assert facts["settings"] == TOY.model_dump() and facts["curve"] == result.curve
    assert f"{result.pictures} " in (tmp_path / "out" / "README.md").read_text()


@pytest.mark.parametrize("kind", KINDS)
def test_shipped_backbone_is_small_and_still_answers(kind: Kind) -> None:
    folder = SHIPPED / kind
    assert sum(p.stat().st_size for p in folder.iterdir()) < 5_000_000
    facts = json.loads((folder / "pretraining.json").read_text())
    network = _load(folder)
    px = facts["settings"]["tile_px"]
    assert network.pretrained_cfg["input_size"] == (3, px, px)  # type: ignore[index]
    first = next(iter(facts["accuracy"]))
    # A generator that has moved away from the weights shows here.
    found = _accuracy(network, kind, 987, 320, px)
    assert found > facts["accuracy"][first] - 0.1
    assert facts["accuracy"][first] > 5 * facts["chance"][first]


@pytest.mark.parametrize("kind", KINDS)
def test_shipped_backbone_shows_five_stages_with_batch_statistics(kind: Kind) -> None:
    network = _load(SHIPPED / kind)
    with torch.inference_mode():
        stages = network.forward_intermediates(torch.zeros(1, 3, 96, 96), intermediates_only=True)  # type: ignore[operator]
    info = network.feature_info
    assert [s.shape[1] for s in stages] == [s["num_chs"] for s in info]  # type: ignore[union-attr]
    assert [96 // s.shape[2] for s in stages] == [2, 4, 8, 16, 32]
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(norms) > 12 and all(
        float(m.running_var.std()) > 0 for m in norms if m.running_var is not None
    )


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_follow_from_their_seed(kind: Kind) -> None:
    source = SOURCES[kind]()
    pictures, answers = source.draw(5, 12, 40)
    again, same = source.draw(5, 12, 40)
    other, _ = source.draw(6, 12, 40)
    assert pictures.shape == (12, 40, 40, 3) and pictures.dtype == np.uint8
    assert np.array_equal(pictures, again) and np.array_equal(answers, same)
    assert not np.array_equal(pictures, other)
    sizes = [len(named) for named in source.questions.values()]
    assert answers.min() >= 0 and (answers < sizes).all()


def test_colour_answers_nothing_about_natural_pictures() -> None:
    pictures, answers = natural_images.draw_pictures(1, 600, 32)
    colours = pictures.reshape(600, -1, 3).mean(1) / 255
    for k, named in enumerate(natural_images.questions().values()):
        model = LogisticRegression().fit(colours[:400], answers[:400, k])
        assert model.score(colours[400:], answers[400:, k]) < 1 / len(named) + 0.1


def test_tissue_and_state_agree() -> None:
    source = SOURCES["histology"]()
    _, answers = source.draw(2, 200, 32)
    tissues, states = source.questions["tissue"], source.questions["state"]
    for tissue, state in answers:
        assert tissues[tissue].endswith(states[state])
    assert not any("breast" in tissue for tissue in tissues)  # the demo's
    assert set(answers[:, 0]) == set(range(len(tissues)))
