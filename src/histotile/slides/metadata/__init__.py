"""What a slide's files say of it: properties, scanner, scale, pages."""
