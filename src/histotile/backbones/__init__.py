"""Networks from timm below the head: built, loaded with weights, cut by stages."""
