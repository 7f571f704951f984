"""The log: one writer, one mover, one verifier, and the tree that proves them."""
