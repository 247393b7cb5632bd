"""Published pathology backbones, by name: their facts, and how each is built."""
