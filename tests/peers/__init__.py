"""Ours beside the peers' own packages, which live in .venv-peers and are run in a process apart."""
