"""How firm a decision is: resampled, and what would change it."""
