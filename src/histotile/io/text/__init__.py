"""Text files that people write: CSV and YAML, read strictly and as their programs save them."""
