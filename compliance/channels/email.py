"""Messages by e-mail, through whatever mail backend the settings name."""

import smtplib
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage, get_connection
from django.core.validators import validate_email

from compliance import clock
from compliance.channels.base import ChannelError, Delivery, DeliveryState, Message
from compliance.hostile import clean, one_line

MAX_BODY: Final = 100_000
_PERMANENT_FROM: Final = 500


@dataclass(frozen=True)
class EmailChannel:
    """Plain-text mail to one address at a time."""

    sender: str = ""
    """The From address; empty takes the installation's own."""

    def send(self, message: Message) -> Delivery:
        """Hand the message to the mail server.

        Its Message-ID follows from the key, so a repeat is the same mail to the reader's program.
        """
        mail = self._compose(message)
        try:
            _send_and_hang_up(mail)
        except smtplib.SMTPRecipientsRefused as error:
            code, reason = next(iter(error.recipients.values()))
            raise _refused(code, reason) from error
        except smtplib.SMTPAuthenticationError as error:
            raise ChannelError(
                "the mail server refused our log-in; check the mail settings", permanent=False
            ) from error
        except smtplib.SMTPResponseException as error:
            raise _refused(error.smtp_code, error.smtp_error) from error
        except (smtplib.SMTPException, OSError) as error:
            raise ChannelError(
                f"the mail server cannot be reached: {one_line(str(error))}", permanent=False
            ) from error
        return Delivery(DeliveryState.SENT, clock.now(), mail.extra_headers["Message-ID"])

    def _compose(self, message: Message) -> EmailMessage:
        try:
            validate_email(message.to)
        except ValidationError as error:
            raise ChannelError(
                f"{one_line(message.to)!r} is no e-mail address", permanent=True
            ) from error
        mail = EmailMessage(
            subject=one_line(message.subject),
            body="\n\n".join(part for part in (clean(message.body, MAX_BODY), message.url) if part),
            to=[message.to],
            headers={
                "Message-ID": message_id(message.key, self.sender),
                "Auto-Submitted": "auto-generated",
                "X-Strata-Severity": one_line(message.severity, 40),
            },
        )
        mail.from_email = self.sender or mail.from_email
        return mail


def message_id(key: UUID, sender: str) -> str:
    """The Message-ID of every sending of one message."""
    domain = sender.rpartition("@")[2].rstrip("> ") or "strata.invalid"
    return f"<{key}@{domain}>"


def _send_and_hang_up(mail: EmailMessage) -> None:
    """Send; and close the line even where Django keeps it, after a log-in that was refused."""
    mail.connection = get_connection()
    try:
        mail.send()
    finally:
        mail.connection.close()


def _refused(code: int, reason: bytes | str) -> ChannelError:
    text = reason.decode(errors="replace") if isinstance(reason, bytes) else reason
    return ChannelError(
        f"the mail server refused: {code} {one_line(text)}", permanent=code >= _PERMANENT_FROM
    )
