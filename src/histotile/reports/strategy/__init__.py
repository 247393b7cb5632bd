"""Pages of the decision and its verification."""
