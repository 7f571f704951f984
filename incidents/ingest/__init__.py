"""Telemetry comes in: decoded, put into one vocabulary, joined into records a rule can judge.

`otlp`, `normalise` and `stitch` are pure: bytes and spans in, records out; no Django, no clock.
"""
