"""Pictures that OpenSlide refuses, by tifffile, imagecodecs and Pillow."""
