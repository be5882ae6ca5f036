"""For frameworks that cannot take the standard faces."""
