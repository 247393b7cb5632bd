"""histotile: slides in, tile classifiers, heatmaps and models out. Research use only."""

__version__ = "0.1.0"
