"""From what an administrator configured to an authority that stamps."""

from dataclasses import replace
from pathlib import Path
from typing import Final

from compliance.egress import Egress
from compliance.timestamps.base import TimeStampingAuthority
from compliance.timestamps.http import HttpAuthority
from compliance.timestamps.null import NullAuthority
from compliance.timestamps.token import MAX_TOKEN, trust

SECONDS: Final = 10.0
"""For one exchange; an authority needs milliseconds."""


def load(
    url: str, certificates: Path | None, policy: str = "", *, egress: Egress
) -> TimeStampingAuthority:
    """The configured authority, or the one that says there is none.

    Raises:
        TimeStampError: the certificates cannot be used; permanent.
    """
    if not url:
        return NullAuthority()
    bounds = replace(egress.policy, total_seconds=SECONDS, max_bytes=MAX_TOKEN)
    return HttpAuthority(url, trust(certificates, policy), replace(egress, policy=bounds))
