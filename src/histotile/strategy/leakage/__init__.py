"""Leaks and shortcuts of a cohort, searched for before anything is trained."""
