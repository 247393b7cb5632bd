"""The page of a cohort, and the terminal's summary."""
