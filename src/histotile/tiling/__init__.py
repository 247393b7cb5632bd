"""From a slide to its table of tiles: grid, labels, what was set aside."""
