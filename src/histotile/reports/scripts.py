"""Scripts of our own inside a page, and the policy that lets these run and no other."""

import base64
import hashlib
from dataclasses import dataclass
from importlib.resources import files

from markupsafe import Markup


@dataclass(frozen=True)
class Script:
    """A script to stand in a page.

    Args:
        text: What stands between <script> and </script>, unchanged.
        source: How the page's policy names it: its digest, so that nothing else can run.
    """

    text: Markup
    source: str


def read_script(file_name: str, folder: str = "viewer") -> Script:
    """A script of that folder of this room, ready for a page.

    Raises:
        ValueError: It holds text that would end its element.
    """
    text = files("histotile.reports").joinpath(folder, file_name).read_text(encoding="utf-8")
    if "</script" in text.lower() or "<!--" in text:
        raise ValueError(f"{file_name} holds text that would end its element in a page")
    digest = base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
    return Script(Markup(text), f"'sha256-{digest}'")  # ours, not from outside
