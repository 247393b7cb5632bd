"""The guess game: a person against the model, on the same pictures."""
