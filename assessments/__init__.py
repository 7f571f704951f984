"""The first floor: whether a version may go out."""
