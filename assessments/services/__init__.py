"""What can be done on the first floor: one module a noun, one function a verb."""
