"""One module per verb: which files it reads, which it writes, and what happens in between."""
