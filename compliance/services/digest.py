"""One way to hash structured content: SHA-256 over its canonical JSON."""

from __future__ import annotations

import hashlib
from typing import Any

from compliance.audit import canonical


def of_json(content: Any) -> str:
    """Hex SHA-256 over RFC 8785 JSON. Floats are refused: write them as decimal strings."""
    return hashlib.sha256(canonical.dumps(content)).hexdigest()


def without_floats(content: Any) -> Any:
    """The same structure with every float as the shortest decimal string that reads back equal."""
    if isinstance(content, float):
        return repr(content)
    if isinstance(content, dict):
        return {str(key): without_floats(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [without_floats(value) for value in content]
    return content
