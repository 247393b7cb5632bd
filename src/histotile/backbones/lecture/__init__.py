"""The networks of lectures, which timm has not."""
