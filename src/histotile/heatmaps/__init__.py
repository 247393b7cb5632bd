"""Probabilities over a slide: pictures, regions, and files for QuPath and viewers."""
