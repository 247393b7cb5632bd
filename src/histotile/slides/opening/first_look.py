"""The first look at a slide file, in a process of its own: one bad file never stops a cohort."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from histotile.config import Inspect
from histotile.slides.opening.sandbox import Died, apart


def inspect_apart(
    path: Path,
    slide_id: str,
    settings: Inspect,
    mpp: float | None = None,
    accepted: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Any]:
    """What `inspection.inspect_slide` returns, as JSON; loads no library that opens slides.

    Arguments are those of `inspect_slide`.
    """
    try:
        found: dict[str, Any] = apart(_examine, path, slide_id, settings, mpp, dict(accepted))
    except Died as death:
        from histotile.slides.diagnosis import AGAIN
        from histotile.slides.inspection import unopened

        return unopened(path, slide_id, f"{death} (remedy: {AGAIN})").to_json()
    return found


def _examine(
    path: Path, slide_id: str, settings: Inspect, mpp: float | None, accepted: dict[str, str]
) -> dict[str, Any]:
    from histotile.slides.inspection import examine

    return examine(path, slide_id, settings, mpp, accepted).to_json()
