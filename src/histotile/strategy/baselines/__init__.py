"""References for the decision: the same network with random weights."""
