"""The reporting checklist."""
