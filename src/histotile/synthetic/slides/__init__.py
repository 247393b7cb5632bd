"""Synthetic H&E slides with known truth."""
