"""Trained networks at work: features, predictions, ensembles, checkpoints."""
