"""Compiled functions work with and without a folder that keeps them."""

import subprocess
import sys

import pytest

_NOWHERE = "import numba.core.caching as c\nc.CacheImpl._locator_classes = []\nimport numpy as np\n"
_USES = {
    "resample": (
        "from histotile.slides.readers.tiff.resample import resampled\n"
        "rgb = np.full((9, 9, 3), 7, np.uint8)\n"
        "print((resampled(rgb, (0, 0, 9, 9), 4, 4) == 7).all())\n"
    ),
    "blending": (
        "from histotile.slides.readers.tiff.blending import blended\n"
        "rgb = np.full((9, 9, 3), 7, np.uint8)\n"
        "print((blended(rgb, (0, 0), (50, 50, 16, 16), (32768, 0)) == 7).all())\n"
    ),
    "factory": (
        "from histotile.synthetic.slides import chromogen, colouring, fields, nuclei\n"
        "black = np.zeros((3, 3, 3), np.uint8)\n"
        "print(not chromogen._absorb(black, np.ones((3, 3)), np.ones(3)).any())\n"
    ),
}


@pytest.mark.parametrize("use", sorted(_USES))
def test_it_works_where_no_folder_keeps_machine_code(use: str) -> None:
    answer = subprocess.check_output([sys.executable, "-c", _NOWHERE + _USES[use]], text=True)
    assert answer.strip() == "True"


def test_where_one_does_the_next_process_finds_it() -> None:
    code = _USES["blending"] + "from histotile.slides.readers.tiff import blending\n"
    code = f"import numpy as np\n{code}print(sum(blending._blend.stats.cache_hits.values()))\n"
    words = [sys.executable, "-c", code]
    subprocess.check_call(words, stdout=subprocess.DEVNULL)
    assert subprocess.check_output(words, text=True).split() == ["True", "1"]
