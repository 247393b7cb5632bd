"""The pages people read: slide pages and the cohort page."""
