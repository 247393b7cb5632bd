"""Whether a slide is like those a model was taught on: distances, limits, and what they mean."""
