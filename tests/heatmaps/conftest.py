"""Fixtures of this room's tests."""

from fixtures.results import *  # noqa: F403
