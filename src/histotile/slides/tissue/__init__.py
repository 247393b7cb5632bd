"""Tissue, ink and artefacts on a slide."""
