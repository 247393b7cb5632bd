"""Inference engines: each turns a batch of tiles into logits behind one interface."""
