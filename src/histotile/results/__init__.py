"""From tile probabilities to slide scores, metrics with intervals, and heatmaps."""
