"""Filing by e-mail: the archive attached to one mail, over TLS.

A mail server that takes a mail says nothing of the recipient. So the outcome is never a receipt:
a person waits for the recipient's answer and enters it.
"""

import hashlib
import smtplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from enum import StrEnum
from typing import Final, NoReturn

from compliance import clock
from compliance.audit.checkpoint import Signer
from compliance.egress import Egress, EgressFailed, EgressRefused
from compliance.filing import signing, wire
from compliance.filing.base import Delivered, FilingError, FilingPackage, OutcomeUnknown
from compliance.filing.bounded import within
from compliance.filing.earnest import check_simulation
from compliance.filing.exchange import MAX_BODY, Exchange
from compliance.hostile import one_line
from compliance.phrase import Phrase

_PERMANENT_FROM: Final = 500
_TAKEN: Final = 250
# Every server on the way can carry it, whatever the words.
_SEVEN_BITS: Final = SMTP.clone(cte_type="7bit")


class Security(StrEnum):
    """How the line to the mail server is hidden."""

    IMPLICIT = "implicit"
    """TLS from the first byte, as on port 465."""
    STARTTLS = "starttls"
    """Asked for before anything else is said; without it nothing is."""
    NONE = "none"
    """Cleartext; to loopback alone."""


_SCHEMES: Final = {
    Security.IMPLICIT: "smtps",
    Security.STARTTLS: "smtp+starttls",
    Security.NONE: "smtp",
}


@dataclass(frozen=True)
class EmailFiling:
    """One recipient's mailbox, and the server we send through."""

    host: str
    port: int
    security: Security
    sender: str
    to: str
    egress: Egress = field(repr=False)
    simulation: bool
    username: str = ""
    password: str = field(default="", repr=False)
    signer: Signer | None = field(default=None, repr=False)
    is_idempotent: bool = False

    def submit(self, package: FilingPackage, key: str) -> Delivered:
        """Hand the mail to the server. A repeat has the same Message-ID."""
        check_simulation(package, channel_is_simulation=self.simulation)
        mail = self._compose(signing.signed(package, self.signer), key)
        content = mail.as_bytes(policy=_SEVEN_BITS)
        exchange = _send(self, content, key)
        return Delivered(
            portal=self.to,
            steps=(
                Phrase("The mail %(id)s went to %(to)s.", id=str(mail["Message-ID"]), to=self.to),
                Phrase("Wait for the recipient's answer, and enter it as the receipt."),
            ),
            exchange=exchange,
            reference=str(mail["Message-ID"]),
            at=clock.now(),
        )

    def find(self, package: FilingPackage, key: str) -> NoReturn:
        """A mailbox answers no questions."""
        raise FilingError(
            f"{package.filing} went by e-mail, so nobody can be asked; look for an answer to "
            f"{message_id(key, self.sender)} from {self.to}",
            permanent=True,
        )

    def _compose(self, package: FilingPackage, key: str) -> EmailMessage:
        mail = EmailMessage(policy=_SEVEN_BITS)
        mail["Subject"] = _subject(package)
        mail["From"], mail["To"] = self.sender, self.to
        mail["Date"] = format_datetime(clock.now())
        mail["Message-ID"] = message_id(key, self.sender)
        mail.set_content(_words(package, key))
        archive = wire.zipped(package)
        mail.add_attachment(
            archive, maintype="application", subtype="zip", filename=f"{package.filing}.zip"
        )
        mail.set_boundary(f"strata-{key}")
        return mail


def check_address(text: str) -> str:
    """One plain address, and nothing that could begin another header or recipient.

    Raises:
        ValueError: it is none.
    """
    try:
        found = Address(addr_spec=text)
    except (HeaderParseError, ValueError, IndexError) as error:
        raise ValueError(f"{one_line(text, 80)!r} is no e-mail address") from error
    if found.addr_spec != text or not found.domain or not text.isascii() or not text.isprintable():
        raise ValueError(f"{one_line(text, 80)!r} is no plain e-mail address")
    return text


def message_id(key: str, sender: str) -> str:
    """The Message-ID of every sending under one key."""
    return f"<{key}@{sender.rpartition('@')[2]}>"


def _subject(package: FilingPackage) -> str:
    words = Phrase("Incident report %(filing)s", filing=str(package.filing))
    return Phrase("SIMULATION: %(words)s", words=words) if package.simulation else words


def _words(package: FilingPackage, key: str) -> str:
    lines = [
        Phrase("To: %(recipient)s", recipient=one_line(package.recipient)),
        Phrase(
            "Attached is a report with its machine-readable data, a manifest of their digests "
            "and, where the sender signs, a signature of the manifest."
        ),
        Phrase("Digest (SHA-256) of the report: %(digest)s", digest=package.pdf_sha256),
        Phrase("Filing %(filing)s, key %(key)s", filing=str(package.filing), key=key),
        Phrase("Please confirm by reply, with your reference and the time of receipt."),
    ]
    if package.simulation:
        lines.insert(0, Phrase("This is an exercise. Nothing in it happened."))
    return "\n\n".join(lines) + "\n"


class _Line(smtplib.SMTP):
    """An SMTP client whose connection comes from the one way out."""

    def __init__(self, channel: EmailFiling) -> None:
        super().__init__(
            local_hostname=channel.sender.rpartition("@")[2],
            timeout=channel.egress.policy.total_seconds,
        )
        self.channel = channel
        self.certificate = b""
        # What STARTTLS asks the certificate for.
        self._host = channel.host

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        del timeout  # the policy's
        egress = self.channel.egress
        line = egress.connect(_SCHEMES[self.channel.security], host, port)
        if self.channel.security is Security.IMPLICIT:
            return egress.tls.wrap_socket(line, server_hostname=host)
        return line

    def hang_up(self) -> None:
        """End every wait on the line."""
        with suppress(OSError, AttributeError):
            self.sock.shutdown(socket.SHUT_RDWR)  # type: ignore[union-attr]  # None before connect

    def note_certificate(self) -> None:
        """Keep what the server showed."""
        if isinstance(self.sock, ssl.SSLSocket):
            self.certificate = self.sock.getpeercert(binary_form=True) or b""


def _send(channel: EmailFiling, content: bytes, key: str) -> Exchange:
    """One mail. Before its last line nothing was filed; after it, only the answer can tell."""
    with _connected(channel) as line:
        with _nothing_filed(channel):
            _open_envelope(line, channel, len(content))
        try:
            code, said = line.data(content)
        except smtplib.SMTPDataError as error:
            raise _refused(error.smtp_code, error.smtp_error) from error
        except (smtplib.SMTPException, OSError) as error:
            raise OutcomeUnknown(
                f"{channel.host}: {type(error).__name__} before the mail was confirmed; it may "
                "have been sent; look for an answer, or send it again",
                exchange=_exchange(line, key, content, 0, b""),
                needs_human=True,
            ) from error
        exchange = _exchange(line, key, content, code, said)
        if code != _TAKEN:
            raise _refused(code, said, exchange)
        with suppress(smtplib.SMTPException, OSError):
            line.quit()
        return exchange


@contextmanager
def _connected(channel: EmailFiling) -> Iterator[_Line]:
    """A line that is hidden and logged in, for the policy's time."""
    line = _Line(channel)
    with within(channel.egress.policy.total_seconds, line.hang_up):
        try:
            with _nothing_filed(channel):
                _greet(line, channel)
            yield line
        finally:
            line.close()


def _greet(line: _Line, channel: EmailFiling) -> None:
    code, said = line.connect(channel.host, channel.port)
    if code != 220:  # noqa: PLR2004  A server that is ready says so.
        raise smtplib.SMTPConnectError(code, said)
    line.ehlo_or_helo_if_needed()
    if channel.security is Security.STARTTLS:
        line.starttls(context=channel.egress.tls)
        line.ehlo_or_helo_if_needed()
    line.note_certificate()
    if channel.username:
        line.login(channel.username, channel.password)


def _open_envelope(line: _Line, channel: EmailFiling, size: int) -> None:
    if (most := line.esmtp_features.get("size", "")).isdigit() and 0 < int(most) < size:
        raise FilingError(
            f"the mail has {size} bytes and {channel.host} takes {most}; file it another way",
            permanent=True,
        )
    for code, said in (
        line.mail(channel.sender, [f"size={size}"] if line.has_extn("size") else []),
        line.rcpt(channel.to, ["NOTIFY=SUCCESS,FAILURE,DELAY"] if line.has_extn("dsn") else []),
    ):
        if code not in {_TAKEN, 251}:
            raise _refused(code, said)


@contextmanager
def _nothing_filed(channel: EmailFiling) -> Iterator[None]:
    """What breaks before the mail is handed over filed nothing."""
    try:
        yield
    except EgressRefused as error:
        raise FilingError(str(error), permanent=True) from error
    except EgressFailed as error:
        raise FilingError(f"{error}; nothing was filed", permanent=False) from error
    except ssl.SSLCertVerificationError as error:
        raise FilingError(
            f"{channel.host} shows a certificate that is not trusted: {error.verify_message}; "
            "nothing was sent",
            permanent=True,
        ) from error
    except smtplib.SMTPNotSupportedError as error:
        raise FilingError(
            f"{channel.host}: {one_line(str(error))}; nothing was sent", permanent=True
        ) from error
    except smtplib.SMTPResponseException as error:
        raise _refused(error.smtp_code, error.smtp_error) from error
    except (smtplib.SMTPException, OSError) as error:
        raise FilingError(
            f"{channel.host}: {type(error).__name__}: {one_line(str(error))}; nothing was filed",
            permanent=False,
        ) from error


def _refused(code: int, said: bytes | str, exchange: Exchange | None = None) -> FilingError:
    text = said.decode(errors="replace") if isinstance(said, bytes) else said
    return FilingError(
        f"the mail server refused: {code} {one_line(text)}; nothing was filed",
        permanent=code >= _PERMANENT_FROM,
        exchange=exchange,
    )


def _exchange(line: _Line, key: str, content: bytes, code: int, said: bytes) -> Exchange:
    return Exchange(
        key=key,
        sent_sha256=hashlib.sha256(content).hexdigest(),
        status=code,
        body=said[:MAX_BODY],
        body_size=len(said),
        body_sha256=hashlib.sha256(said).hexdigest() if said else "",
        address=f"{line.channel.host}:{line.channel.port}",
        tls_sha256=hashlib.sha256(line.certificate).hexdigest() if line.certificate else "",
    )
