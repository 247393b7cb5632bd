"""What a wheel holds beside the package: the workflow's files, and the viewer's library."""

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

VIEWER = "src/histotile/reports/viewer/openseadragon.min.js"
LICENSE = "node_modules/openseadragon/LICENSE.txt"  # asks to stand beside every copy


class WheelContents(BuildHookInterface):  # type: ignore[misc]
    """Adds the files that `histotile init` copies; an editable install reads the checkout's own."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Fails where the viewer's library is missing: slide pages would not open."""
        if version == "editable":
            return
        root = Path(self.root)
        for file in (VIEWER, LICENSE):
            if not (root / file).is_file():
                raise FileNotFoundError(f"{file} is missing. Remedy: build with `make wheel`")
        licence = "histotile/reports/openseadragon.LICENSE.txt"
        build_data["force_include"][str(root / LICENSE)] = licence
        sys.path.insert(0, str(root / "src"))
        from histotile.io.text.project import list_files

        for file in list_files(root):
            build_data["force_include"][str(root / file)] = f"histotile/project/{file}"
