"""Tiles: grid, labels, splits, augmentation, dataset."""
