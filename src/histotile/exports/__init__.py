"""Handing a trained model on: one file per format, and the proof that it still agrees."""
