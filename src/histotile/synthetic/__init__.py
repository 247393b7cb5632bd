"""Synthetic slides and tiles with known truth, and the pre-training of the shipped backbones."""
