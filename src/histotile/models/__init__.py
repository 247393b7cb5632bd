"""Backbones, strategies, training, embedding and prediction."""
