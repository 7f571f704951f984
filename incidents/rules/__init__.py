"""Detection rules as versioned data, and the pure engine that judges records by them."""
