"""Which levels of a pyramid show the slide, and at what scale."""
