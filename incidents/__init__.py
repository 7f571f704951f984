"""The second floor: what went wrong and who is called."""
