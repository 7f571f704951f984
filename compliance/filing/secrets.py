"""Secrets by name: what is configured and what is stored names a secret and never holds it.

`{"secret_ref": "MSA"}` reads STRATA_FILING_SECRET_MSA, or the file that
STRATA_FILING_SECRET_MSA_FILE names. The prefix is fixed, so that nothing else of the environment
can be named and sent to a stranger.
"""

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from compliance.filing.base import FilingError

PREFIX: Final = "STRATA_FILING_SECRET_"
REFERENCE: Final = "secret_ref"
# What earlier configurations held themselves.
INLINE: Final = ("token", "password", "passphrase")
_NAME: Final = re.compile(r"[A-Z][A-Z0-9_]{0,59}\Z")
_LONGEST: Final = 8_192

Secrets = Callable[[str], str]
"""From a secret's name to the secret."""


def from_environment(name: str) -> str:
    """The secret of this name.

    Raises:
        FilingError: the name is none, or nothing was set under it; permanent.
    """
    if not _NAME.match(name) or name.endswith("_FILE"):
        raise FilingError(
            f"{REFERENCE} expects capitals, digits and underscores; came {name[:80]!r}",
            permanent=True,
        )
    variable = f"{PREFIX}{name}"
    value = os.environ.get(variable, "")
    if not value and (path := os.environ.get(f"{variable}_FILE")):
        value = _from_file(Path(path), variable)
    if not value:
        raise FilingError(f"{variable} (or {variable}_FILE) is not set", permanent=True)
    return _one_word(value, variable)


def of(config: Mapping[str, Any], inline: str, secrets: Secrets) -> str:
    """The secret a way needs: the one its configuration names, or the one it still holds itself.

    `inline` is the old key, such as `token`. Empty where there is neither.

    Raises:
        FilingError: both are given, or the name leads nowhere; permanent.
    """
    held, named = str(config.get(inline) or ""), str(config.get(REFERENCE) or "")
    if held and named:
        raise FilingError(f"expected {REFERENCE} or {inline}, not both", permanent=True)
    return secrets(named) if named else held


def storable(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration as it may be kept in a row.

    Raises:
        FilingError: it holds a secret itself; permanent.
    """
    if held := [name for name in INLINE if config.get(name)]:
        raise FilingError(
            f"the way's configuration holds its {held[0]} itself; set {PREFIX}NAME in the "
            f'environment and write "{REFERENCE}": "NAME" instead',
            permanent=True,
        )
    return dict(config)


def _from_file(path: Path, variable: str) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            return file.read(_LONGEST + 1).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise FilingError(
            f"{variable}_FILE cannot be read: {type(error).__name__}", permanent=True
        ) from error


def _one_word(value: str, variable: str) -> str:
    """It goes into a header or a log-in as it is, so it may not begin another line."""
    if len(value) > _LONGEST or not value.isascii() or not value.isprintable():
        raise FilingError(f"{variable} is no single line of printable ASCII", permanent=True)
    return value
