"""Patient-disjoint folds, and the fold table."""
