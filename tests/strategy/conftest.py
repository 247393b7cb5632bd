"""Fixtures of this room's tests."""

from fixtures.decision import *  # noqa: F403
from fixtures.models import *  # noqa: F403
