"""Readers of slide files."""
