"""Training one fold: loaders, optimiser, learning by gradients, resuming."""
