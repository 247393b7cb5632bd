"""Linear probes on features of every stage, cross-validated over patients."""
