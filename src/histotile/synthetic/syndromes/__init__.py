"""Small pictures of syndromes that the number and size of tumours tell apart."""
