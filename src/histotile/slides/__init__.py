"""Slides: opening, scale, pixels, tissue, quality, annotations. The only room with OpenSlide."""
