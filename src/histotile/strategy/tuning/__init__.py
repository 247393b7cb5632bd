"""Searching better settings of a recipe on inner folds, and whether they are worth it."""
