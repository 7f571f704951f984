"""A line to one account on one SSH host, whose key was pinned, through the one way out."""

import hashlib
import logging
import stat
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from paramiko import PKey, SFTPClient, SSHException, Transport, UnknownKeyType
from paramiko.ssh_exception import AuthenticationException, PasswordRequiredException

from compliance.egress import Egress, EgressFailed, EgressRefused
from compliance.filing.base import FilingError
from compliance.filing.bounded import within
from compliance.hostile import one_line

# A host with an RSA key signs with it in one of these ways; with SHA-1 never.
_RSA: Final = ("rsa-sha2-512", "rsa-sha2-256")
# The library logs every handshake, and tracebacks of what is raised here anyway.
logging.getLogger("paramiko").setLevel(logging.CRITICAL)


@dataclass(frozen=True)
class Account:
    """Where to log in, as whom, and how both sides are known."""

    host: str
    port: int
    username: str
    host_key: PKey = field(repr=False)
    """The only one that is taken for the host."""
    private_key: PKey = field(repr=False)

    @property
    def host_key_sha256(self) -> str:
        """The digest of the pinned key."""
        return hashlib.sha256(self.host_key.asbytes()).hexdigest()


def parse_host_key(text: str) -> PKey:
    """A host's key as `ssh-keyscan` and known_hosts write it: `ssh-ed25519 AAAA…`.

    Raises:
        ValueError: it is not that.
    """
    parts = text.split()
    try:
        return PKey.from_type_string(parts[0], b64decode(parts[1], validate=True))
    except (IndexError, ValueError, SSHException, UnknownKeyType) as error:
        raise ValueError("host_key is the host's public key, as in: ssh-ed25519 AAAA…") from error


def load_private_key(path: Path, passphrase: str) -> PKey:
    """Our key for one account.

    Raises:
        ValueError: there is no such file, others may read it, or it cannot be opened.
    """
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        raise ValueError(f"{path} holds no key that opens: {type(error).__name__}") from error
    if mode & 0o077:
        raise ValueError(f"{path} can be read by others than its owner; run chmod 600 on it")
    try:
        # As bytes: the library hands it on to one that takes nothing else.
        return PKey.from_path(str(path), password=passphrase.encode() or None)
    except (PasswordRequiredException, TypeError) as error:
        raise ValueError(f"{path} is sealed by a passphrase; name it by secret_ref") from error
    except (OSError, ValueError, SSHException, UnknownKeyType) as error:
        raise ValueError(f"{path} holds no key that opens: {type(error).__name__}") from error


@contextmanager
def session(account: Account, egress: Egress) -> Iterator[SFTPClient]:
    """Log in; all of it, to the end of the block, within the policy's time.

    Raises:
        FilingError: nobody answers, it is another host, or it does not let us in.
    """
    transport = _reach(account, egress)
    try:
        with within(egress.policy.total_seconds, transport.close):
            yield _log_in(transport, account, egress.policy.total_seconds)
    finally:
        transport.close()


def _reach(account: Account, egress: Egress) -> Transport:
    try:
        line = egress.connect("sftp", account.host, account.port)
    except EgressRefused as error:
        raise FilingError(str(error), permanent=True) from error
    except EgressFailed as error:
        raise FilingError(f"{error}; nothing was filed", permanent=False) from error
    try:
        return Transport(line)
    except BaseException:
        line.close()
        raise


def _log_in(transport: Transport, account: Account, seconds: float) -> SFTPClient:
    transport.banner_timeout = transport.auth_timeout = transport.channel_timeout = seconds
    name = account.host_key.get_name()
    transport.get_security_options().key_types = _RSA if name == "ssh-rsa" else (name,)
    try:
        transport.start_client(timeout=seconds)
        _check_host(transport, account)
        transport.auth_publickey(account.username, account.private_key)
        client = SFTPClient.from_transport(transport)
    except AuthenticationException as error:
        raise FilingError(
            f"{account.host} does not let {one_line(account.username)} in with our key; "
            "nothing was filed",
            permanent=True,
        ) from error
    except (SSHException, EOFError, OSError) as error:
        raise FilingError(
            f"{account.host}: {type(error).__name__}: {one_line(str(error))}; nothing was filed",
            permanent=False,
        ) from error
    if client is None:
        raise FilingError(f"{account.host} opens no channel; nothing was filed", permanent=False)
    client.get_channel().settimeout(seconds)
    return client


def _check_host(transport: Transport, account: Account) -> None:
    """Before anything is said of ourselves."""
    shown = transport.get_remote_server_key()
    if shown.asbytes() != account.host_key.asbytes():
        found = hashlib.sha256(shown.asbytes()).hexdigest()
        raise FilingError(
            f"{account.host} shows the key {found}, and {account.host_key_sha256} is pinned; "
            "nothing was sent; ask the recipient whether the key was changed",
            permanent=True,
        )
