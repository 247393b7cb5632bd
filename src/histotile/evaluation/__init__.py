"""Metrics with intervals, calibration, subgroups, label errors."""
