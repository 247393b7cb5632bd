"""From tile probabilities to slide and patient scores."""
