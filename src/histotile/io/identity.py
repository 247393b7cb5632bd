"""What tells a slide from any other version of it, as the footers of our files hold it."""

from collections.abc import Mapping
from typing import Any

from histotile.errors import HistotileError

Identity = Mapping[str, Any]  # as `slides.identity.identify` makes it: files, bytes, digest


def words(identity: Identity) -> str:
    """The identity in a few words."""
    return f"{identity['bytes']} bytes, digest {str(identity['digest'])[:8]}"


def check_same(subject: object, known: Identity | None, theirs: Identity | None) -> None:
    """Nothing, unless what was made of a slide's tiles was made of another version of it.

    Files of older make, which tell no identity, pass.

    Args:
        subject: The file in question: predictions, features, a pack.
        known: Identity in the footer of the tile table.
        theirs: Identity in that file.

    Raises:
        HistotileError: They differ.
    """
    if known and theirs and dict(known) != dict(theirs):
        fact = f"was made of another version of the slide ({words(theirs)}) than its tile table"
        raise HistotileError(subject, f"{fact} ({words(known)})", "make it again from this table")
