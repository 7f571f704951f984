"""From what an administrator configured to a channel that files."""

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from compliance.audit.checkpoint import Signer
from compliance.egress import Egress
from compliance.filing import portals, secrets
from compliance.filing.base import FilingChannel, FilingError
from compliance.filing.email import EmailFiling, Security, check_address
from compliance.filing.http import HttpFiling
from compliance.filing.manual import ManualFiling
from compliance.filing.mutual import authorities, mutual
from compliance.filing.null import NullFiling
from compliance.filing.receipt import parse_public_key
from compliance.filing.secrets import Secrets
from compliance.filing.sftp import SftpFiling
from compliance.filing.ssh import Account, load_private_key, parse_host_key

LONGEST: Final = 100.0
"""Seconds for one exchange: a worker holds a filing for two minutes."""


class FilingKind(StrEnum):
    """The ways there are."""

    HTTP = "http"
    SFTP = "sftp"
    EMAIL = "email"
    MANUAL = "manual"
    NULL = "null"


@dataclass(frozen=True)
class Means:
    """What the installation lends to a way, beside its configuration."""

    egress: Egress
    signer: Signer | None = None
    secrets: Secrets = secrets.from_environment


def load(
    kind: str,
    config: Mapping[str, Any],
    *,
    egress: Egress,
    signer: Signer | None = None,
    secrets: Secrets = secrets.from_environment,
) -> FilingChannel:
    """A channel of this kind; `docs/filing.md` lists what each kind's `config` holds.

    With a `signer` every package and every body is signed by the installation's key.

    Raises:
        FilingError: the kind is unknown or the configuration lacks something; permanent.
    """
    try:
        means = Means(_timed(egress, config), signer, secrets)
        return _KINDS[FilingKind(kind)](config, means)
    except KeyError as error:
        raise FilingError(f"{kind} filing needs {error} configured", permanent=True) from error
    except (ValueError, TypeError, portals.UnknownPortal) as error:
        raise FilingError(f"filing channel {kind!r}: {error}", permanent=True) from error


def _http(config: Mapping[str, Any], means: Means) -> HttpFiling:
    return HttpFiling(
        simulation=_simulation(config),
        url=str(config["url"]),
        public_key=parse_public_key(str(config["public_key"])),
        egress=_shown(means.egress, config),
        token=secrets.of(config, "token", means.secrets),
        is_idempotent=bool(config.get("is_idempotent", True)),
        signer=means.signer,
    )


def _sftp(config: Mapping[str, Any], means: Means) -> SftpFiling:
    simulation, key = _simulation(config), config.get("public_key")
    passphrase = secrets.of(config, "passphrase", means.secrets)
    return SftpFiling(
        account=Account(
            host=str(config["host"]),
            port=int(config.get("port", 22)),
            username=str(config["username"]),
            host_key=parse_host_key(str(config["host_key"])),
            private_key=load_private_key(Path(str(config["key_file"])), passphrase),
        ),
        folder=_folder(str(config.get("folder", "."))),
        egress=means.egress,
        simulation=simulation,
        public_key=parse_public_key(str(key)) if key else None,
        signer=means.signer,
        is_idempotent=bool(config.get("is_idempotent", False)),
    )


def _email(config: Mapping[str, Any], means: Means) -> EmailFiling:
    security = Security(str(config["security"]))
    username = str(config.get("username", ""))
    if username and security is Security.NONE:
        raise ValueError("a log-in needs TLS; set security to implicit or starttls")
    return EmailFiling(
        simulation=_simulation(config),
        host=str(config["host"]),
        port=int(config["port"]),
        security=security,
        sender=check_address(str(config["sender"])),
        to=check_address(str(config["to"])),
        egress=_shown(means.egress, config),
        username=username,
        password=secrets.of(config, "password", means.secrets) if username else "",
        signer=means.signer,
    )


def _manual(config: Mapping[str, Any], means: Means) -> ManualFiling:
    del means
    key = str(config.get("checklist", ""))
    if not key:
        return ManualFiling(str(config["portal"]), _steps(config["steps"]))
    portals.get(key)  # named here, so that a wrong name fails before anybody files
    return ManualFiling(str(config.get("portal", "")), _steps(config.get("steps", [])), key)


def _null(config: Mapping[str, Any], means: Means) -> NullFiling:
    del config, means
    return NullFiling()


_KINDS: Final[Mapping[FilingKind, Callable[[Mapping[str, Any], Means], FilingChannel]]] = {
    FilingKind.HTTP: _http,
    FilingKind.SFTP: _sftp,
    FilingKind.EMAIL: _email,
    FilingKind.MANUAL: _manual,
    FilingKind.NULL: _null,
}


def _simulation(config: Mapping[str, Any]) -> bool:
    if not isinstance(config["simulation"], bool):
        raise ValueError("simulation must be true or false, and said outright")  # noqa: TRY004
    return config["simulation"]


def _steps(said: Any) -> tuple[str, ...]:
    return tuple(str(step) for step in said)


def _folder(said: str) -> str:
    if not said or not said.isprintable():
        raise ValueError("folder is a path on the recipient's server")
    return said


def _timed(egress: Egress, config: Mapping[str, Any]) -> Egress:
    """The way's own time for one exchange, where it has one: `timeout_seconds`."""
    if "timeout_seconds" not in config:
        return egress
    seconds = float(config["timeout_seconds"])
    if not 1 <= seconds <= LONGEST:
        raise ValueError(f"timeout_seconds must be 1 to {LONGEST:g}")
    return replace(egress, policy=replace(egress.policy, total_seconds=seconds))


def _shown(egress: Egress, config: Mapping[str, Any]) -> Egress:
    """TLS as the way asks for it: our certificate, and whose certificates we take."""
    ours = {name: config.get(name) for name in ("client_certificate", "client_key")}
    theirs = Path(str(config["authorities"])) if config.get("authorities") else None
    if any(ours.values()) != all(ours.values()):
        raise ValueError("client_certificate and client_key are given together")
    try:
        if all(ours.values()):
            certificate, key = (Path(str(path)) for path in ours.values())
            return replace(egress, tls=mutual(certificate, key, theirs))
        return replace(egress, tls=authorities(theirs)) if theirs else egress
    except (OSError, ssl.SSLError) as error:
        raise ValueError(f"TLS: {type(error).__name__}: {error}") from error
