"""From what an administrator configured to a channel that files."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from compliance.egress import Egress
from compliance.filing.base import FilingChannel, FilingError
from compliance.filing.http import HttpFiling
from compliance.filing.manual import ManualFiling
from compliance.filing.null import NullFiling
from compliance.filing.receipt import parse_public_key


class FilingKind(StrEnum):
    """The ways there are."""

    HTTP = "http"
    MANUAL = "manual"
    NULL = "null"


def load(kind: str, config: Mapping[str, Any], *, egress: Egress) -> FilingChannel:
    """A channel of this kind.

    `config` holds for http `url`, `public_key` (base64), `simulation` (true or false) and, if
    wanted, `token` and `is_idempotent`; for manual `portal` and `steps`; nothing for null.

    Raises:
        FilingError: the kind is unknown or the configuration lacks something; permanent.
    """
    try:
        match FilingKind(kind):
            case FilingKind.HTTP:
                return _http(config, egress)
            case FilingKind.MANUAL:
                steps = tuple(str(step) for step in config["steps"])
                return ManualFiling(str(config["portal"]), steps)
            case FilingKind.NULL:
                return NullFiling()
    except KeyError as error:
        raise FilingError(f"{kind} filing needs {error} configured", permanent=True) from error
    except ValueError as error:
        raise FilingError(f"filing channel {kind!r}: {error}", permanent=True) from error


def _http(config: Mapping[str, Any], egress: Egress) -> HttpFiling:
    if not isinstance(config["simulation"], bool):
        raise ValueError("simulation must be true or false, and said outright")  # noqa: TRY004
    return HttpFiling(
        url=str(config["url"]),
        public_key=parse_public_key(str(config["public_key"])),
        egress=egress,
        simulation=config["simulation"],
        token=str(config.get("token", "")),
        is_idempotent=bool(config.get("is_idempotent", True)),
    )
