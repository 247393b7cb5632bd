"""Text files: CSV and YAML that people write, read strictly, and those that make up a project."""
