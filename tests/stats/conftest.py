"""Fixtures of this room's tests."""

from fixtures.decision import *  # noqa: F403
