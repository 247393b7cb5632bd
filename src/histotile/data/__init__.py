"""Tiles as training and prediction read them: selection, pixels, prefetching."""
