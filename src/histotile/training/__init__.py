"""Training one fold: loaders, optimizer, learning by gradients, resuming."""
