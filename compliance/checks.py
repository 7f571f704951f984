"""What the framework's checks look at: the law's packs, and what joins them to other files.

`manage.py check --tag regimes` runs them alone, and commands that check before they work run them
with the others. A web process runs none: it meets a wrong pack where it first reads the packs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.core import checks

from compliance.regimes import load
from compliance.regimes.table import RegimeError


@checks.register("regimes")
def packs(**_options: Any) -> list[checks.CheckMessage]:
    """Every pack, authority, calendar and derivation reads well; the message names the place."""
    return complaints(load.check)


def complaints(look: Callable[[], object]) -> list[checks.CheckMessage]:
    """What is wrong with the packs, as the framework says it."""
    try:
        look()
    except RegimeError as error:
        hint = "Correct the file; `manage.py regimes lint` looks at it again."
        return [checks.Error(str(error), hint=hint, id="compliance.E001")]
    return []
