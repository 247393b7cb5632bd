"""Text files: CSV and YAML that people write, GeoJSON for QuPath, and what makes up a project."""
