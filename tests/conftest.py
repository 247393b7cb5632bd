"""What many tests need: the real slides, where they lie beside the checkout."""

import os
from pathlib import Path

import pytest

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real slides, tiles, annotations and weights; skips where it is absent."""
    standard = Path(__file__).parents[1].parent / "shared"
    data = Path(os.environ.get("HISTOTILE_SHARED", standard)) / "data"
    if not data.is_dir():
        pytest.skip(f"real slides are not here ({data}); set HISTOTILE_SHARED to their folder")
    return data


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return Path(__file__).parents[1]
