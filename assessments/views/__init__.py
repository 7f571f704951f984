"""Pages of the first floor."""
