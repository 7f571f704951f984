"""Verbs: the only hands that write. One module a noun, one function a verb."""
