"""What learns slides, or patients, of the features and predictions of their tiles."""
