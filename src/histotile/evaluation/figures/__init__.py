"""Figures of an evaluation, as SVG."""
