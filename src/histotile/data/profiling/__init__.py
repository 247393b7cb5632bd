"""Where the time of a stage goes."""
