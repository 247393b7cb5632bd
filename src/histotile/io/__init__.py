"""What all rooms share: tables, feature files, the cohort file, code digests, atomic writing."""
