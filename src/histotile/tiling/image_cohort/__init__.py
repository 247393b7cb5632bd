"""Cohorts of ready-made tiles: image files instead of slides."""
