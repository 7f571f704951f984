"""The one way to write a value as bytes: RFC 8785 without floats.

Scores and other fractions are decimal texts. The code is `verify.py`'s own, so that whoever
checks the log hashes exactly what was written.
"""

from compliance.audit.verify import NotCanonical, commitment, dumps, loads

__all__ = ["NotCanonical", "commitment", "dumps", "loads"]
