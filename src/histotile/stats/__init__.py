"""Statistics that rooms share: AUROC, patient bootstrap, logistic heads. NumPy alone."""
