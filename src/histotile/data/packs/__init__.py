"""Packs: the pixels of a slide's tiles in one file."""
