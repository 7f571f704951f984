"""The other sides of the ways to file: a package, certificates, an SFTP server, a mail server."""

# ruff: noqa: ARG002  Both libraries ask their servers with more than these answer by.

import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from uuid import UUID

import paramiko
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import NameOID

from compliance.audit.checkpoint import Signer
from compliance.filing.base import FilingPackage, idempotency_key

PACKAGE = FilingPackage(
    filing=UUID("017f22e2-79b0-7cc3-98c4-dc0c0c07398f"),
    recipient="market-surveillance-authority",
    pdf=b"%PDF-1.7 SIMULATION",
    twin=b'{"what_happened": "a tool was called"}',
    simulation=True,
)
KEY = idempotency_key(PACKAGE)
SIGNER = Signer("strata.test/log", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))


@dataclass(frozen=True)
class Certificate:
    """PEM files of one certificate and its key."""

    certificate: Path
    key: Path


class Authority:
    """Signs certificates for 127.0.0.1."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._private = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        self.certificate = folder / "authority.pem"
        made = self._build(self._name, self._private.public_key(), is_authority=True)
        self.certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str) -> Certificate:
        private = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        made = self._build(subject, private.public_key(), is_authority=False)
        found = Certificate(self.folder / f"{name}.pem", self.folder / f"{name}.key")
        found.certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        found.key.write_bytes(
            private.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        found.key.chmod(0o600)
        return found

    def server(self, *, asks_back: bool = False) -> ssl.SSLContext:
        """The server's side of TLS; `asks_back` wants a certificate of this authority."""
        issued = self.issue("server")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(issued.certificate, issued.key)
        if asks_back:
            context.load_verify_locations(self.certificate)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _build(self, subject: x509.Name, public: Any, *, is_authority: bool) -> x509.Certificate:
        start = datetime.now(UTC) - timedelta(days=1)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(start + timedelta(days=30))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._private.public_key()),
                critical=False,
            )
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]),
                critical=False,
            )
        )
        if is_authority:
            usage = dict.fromkeys(
                (
                    "digital_signature", "content_commitment", "key_encipherment",
                    "data_encipherment", "key_agreement", "crl_sign", "encipher_only",
                    "decipher_only",
                ),
                False,
            )  # fmt: skip
            builder = builder.add_extension(
                x509.KeyUsage(**usage, key_cert_sign=True), critical=True
            )
        return builder.sign(self._private, hashes.SHA256())


# --- SFTP -------------------------------------------------------------------------------------


@dataclass
class Drop:
    """A recipient's folder over SFTP, and what it lets go wrong."""

    folder: Path
    host_key: paramiko.PKey
    allowed: paramiko.PKey
    port: int = 0
    cuts_at: str = ""
    """Hangs up at `open` or `rename`, or `rename-after` doing it; or takes its time: `stall`."""
    seen: list[str] = field(default_factory=list)


class _Door(paramiko.ServerInterface):
    def __init__(self, drop: Drop) -> None:
        self.drop = drop

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        self.drop.seen.append(f"auth {username}")
        is_known = username == "strata" and key.asbytes() == self.drop.allowed.asbytes()
        return paramiko.AUTH_SUCCESSFUL if is_known else paramiko.AUTH_FAILED

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED


class _Handle(paramiko.SFTPHandle):
    def stat(self) -> Any:
        return paramiko.SFTPAttributes.from_stat(os.fstat(self.readfile.fileno()))


class _Files(paramiko.SFTPServerInterface):
    def __init__(self, server: _Door, drop: Drop, hang_up: Any) -> None:
        self.drop, self.hang_up = drop, hang_up
        super().__init__(server)

    def _real(self, path: str) -> Path:
        return self.drop.folder / path.lstrip("/").removeprefix("./")

    def list_folder(self, path: str) -> Any:
        entries = []
        for each in self._real(path).iterdir():
            attributes = paramiko.SFTPAttributes.from_stat(each.stat())
            attributes.filename = each.name
            entries.append(attributes)
        return entries

    def stat(self, path: str) -> Any:
        try:
            return paramiko.SFTPAttributes.from_stat(self._real(path).stat())
        except FileNotFoundError:
            return paramiko.SFTP_NO_SUCH_FILE

    lstat = stat

    def open(self, path: str, flags: int, attr: Any) -> Any:
        self.drop.seen.append(f"open {path}")
        if self.drop.cuts_at == "open":
            self.hang_up()
            return paramiko.SFTP_FAILURE
        if self.drop.cuts_at == "stall":
            time.sleep(2)
        is_writing = bool(flags & (os.O_WRONLY | os.O_RDWR))
        try:
            file = self._real(path).open("wb" if is_writing else "rb")
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno)
        handle = _Handle(flags)
        handle.filename = path
        handle.readfile = handle.writefile = file
        return handle

    def rename(self, oldpath: str, newpath: str) -> int:
        self.drop.seen.append(f"rename {newpath}")
        if self.drop.cuts_at == "rename":
            self.hang_up()
            return paramiko.SFTP_FAILURE
        if self._real(newpath).exists():
            return paramiko.SFTP_FAILURE
        self._real(oldpath).rename(self._real(newpath))
        if self.drop.cuts_at == "rename-after":
            self.hang_up()
        return paramiko.SFTP_OK


@contextmanager
def sftp_server(folder: Path, allowed: paramiko.PKey, host_key: paramiko.PKey) -> Iterator[Drop]:
    """An SFTP server on loopback that lets one key in, under the name strata."""
    drop = Drop(folder, host_key, allowed)
    listener = socket.create_server(("127.0.0.1", 0))
    drop.port = listener.getsockname()[1]
    transports: list[paramiko.Transport] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            transport = paramiko.Transport(connection)
            transports.append(transport)
            transport.add_server_key(host_key)
            transport.set_subsystem_handler(
                "sftp", paramiko.SFTPServer, _Files, drop, transport.close
            )
            try:
                transport.start_server(server=_Door(drop))
            except (paramiko.SSHException, EOFError):
                continue

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield drop
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)
        for transport in transports:
            transport.close()


# --- mail -------------------------------------------------------------------------------------


@dataclass
class Mailbox:
    """What a mail server took, and how it answers."""

    port: int
    mails: list[Any] = field(default_factory=list)
    log_ins: list[str] = field(default_factory=list)
    answer: str = "250 2.0.0 taken as 7F"
    at_rcpt: str = ""

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, to: str, options: Any):  # noqa: N802
        if self.at_rcpt:
            return self.at_rcpt
        envelope.rcpt_tos.append(to)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any):  # noqa: N802
        self.mails.append(envelope)
        if not self.answer:
            server.transport.close()
        return self.answer or "250 nobody hears this"

    def authenticate(self, server: Any, session: Any, envelope: Any, way: str, data: Any) -> Any:
        self.log_ins.append(f"{data.login.decode()}:{data.password.decode()}")
        return AuthResult(success=data.password == b"correct horse", handled=False)


class _Implicit(Controller):
    """The library's own trial of the line trusts the system's authorities alone."""

    def _trigger_server(self) -> None:
        blind = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        blind.check_hostname, blind.verify_mode = False, ssl.CERT_NONE
        line = socket.create_connection((self.hostname, self.port), 5)
        with blind.wrap_socket(line) as hidden:
            hidden.recv(64)


@contextmanager
def mail_server(
    tls: ssl.SSLContext | None = None, *, implicit: bool = False, size: int = 1 << 20
) -> Iterator[Mailbox]:
    """A mail server on loopback, with STARTTLS, TLS from the start, or neither."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    mailbox = Mailbox(port)
    asks = tls is not None and not implicit
    controller = (_Implicit if implicit else Controller)(
        mailbox,
        hostname="127.0.0.1",
        port=port,
        ssl_context=tls if implicit else None,
        tls_context=tls if asks else None,
        require_starttls=asks,
        auth_require_tls=asks,
        authenticator=mailbox.authenticate,
        data_size_limit=size,
    )
    controller.start()
    try:
        yield mailbox
    finally:
        controller.stop()
