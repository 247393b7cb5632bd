"""Inference engines: each turns a batch of tiles into logits or features behind one interface."""
