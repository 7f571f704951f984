"""Scan a model version with a sparse autoencoder; usable alone: python -m assessments.scanner."""
