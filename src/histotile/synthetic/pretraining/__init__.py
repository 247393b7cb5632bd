"""How the shipped backbones were pre-trained, on pictures made here."""
