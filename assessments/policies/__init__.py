"""Gate policies and scan criteria as versioned data with citations."""
