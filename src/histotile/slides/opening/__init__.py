"""The first look at a slide file, in a process that may die without harm."""
