"""The page of a slide, with its viewer."""
