"""The second floor's verbs."""
