"""The direct reader of tiled TIFF: OpenSlide's pixels from the compressed tiles, in less time."""
