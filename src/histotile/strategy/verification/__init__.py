"""Whether the chosen strategy was the best: every strategy trained and compared."""
