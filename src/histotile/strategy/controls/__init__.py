"""References for the decision: random weights, and shifts of batch norm."""
