"""Fixtures of this room's tests."""

from fixtures.tiles import *  # noqa: F403
