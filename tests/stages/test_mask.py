"""What `mask` writes into its PNG, and what it says."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from histotile.io.ledger import Entry
from histotile.slides.tissue.tissue import GLASS, INK, TISSUE, Survey
from histotile.stages.mask import tell, write_mask


def surveyed(tissue: int, share: float) -> Survey:
    levels = np.full((10, 10), GLASS, np.uint8)
    levels[:tissue] = TISSUE
    levels[9] = INK
    return Survey(levels, [Entry("tissue", "taken for green ink", area_um2=40.0, share=share)])


def test_the_png_holds_three_levels_and_the_ledger(tmp_path: Path) -> None:
    written = surveyed(4, 0.2)
    write_mask(tmp_path / "m.png", written)
    with Image.open(tmp_path / "m.png") as image:
        np.testing.assert_array_equal(np.asarray(image), written.levels)
        assert [Entry(**line) for line in json.loads(image.info["histotile"])] == written.ledger
        assert np.asarray(image.convert("1", dither=Image.Dither.NONE)).sum() == 40


def test_the_largest_cause_of_an_empty_mask_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    tell("S1", surveyed(0, 0.96), 8.0)
    said = "S1: no tissue found: 96 % of the stained area was taken for green ink\n"
    assert capsys.readouterr().out == said


@pytest.mark.parametrize(("share", "warned"), [(0.02, False), (0.6, True)])
def test_a_slide_that_loses_most_of_its_tissue_is_named(
    share: float, warned: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    tell("S1", surveyed(4, share), 1000.0)
    out, err = capsys.readouterr()
    assert out == f"S1: tissue 40 mm2; {100 * share:.1f} % of the stained area taken for ink\n"
    assert ("S1" in err and "exclude_pen" in err) == warned
