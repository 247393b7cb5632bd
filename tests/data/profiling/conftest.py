"""Fixtures of this room's tests."""

from fixtures.models import *  # noqa: F403
