"""From what an administrator configured to a channel that sends."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from compliance.channels.base import Channel, ChannelError
from compliance.channels.chat import ChatChannel
from compliance.channels.email import EmailChannel
from compliance.channels.null import NullPager
from compliance.channels.webhook import Secret, WebhookChannel
from compliance.egress import Egress


class ChannelKind(StrEnum):
    """The channels there are."""

    EMAIL = "email"
    WEBHOOK = "webhook"
    CHAT = "chat"
    NULL = "null"


def load(kind: str, config: Mapping[str, Any], *, egress: Egress) -> Channel:
    """A channel of this kind.

    `config` holds `sender` for e-mail (may be left out), `url` and `secrets` for webhooks, `url`
    for chat, nothing for null.

    Raises:
        ChannelError: the kind is unknown or the configuration lacks something; permanent.
    """
    try:
        match ChannelKind(kind):
            case ChannelKind.EMAIL:
                return EmailChannel(sender=str(config.get("sender", "")))
            case ChannelKind.WEBHOOK:
                return WebhookChannel(str(config["url"]), _secrets(config["secrets"]), egress)
            case ChannelKind.CHAT:
                return ChatChannel(str(config["url"]), egress)
            case ChannelKind.NULL:
                return NullPager()
    except KeyError as error:
        raise ChannelError(
            f"a {kind} channel needs {error} in its configuration", permanent=True
        ) from error
    except ValueError as error:
        raise ChannelError(f"channel {kind!r}: {error}", permanent=True) from error


def _secrets(texts: Any) -> tuple[Secret, ...]:
    if not isinstance(texts, list | tuple) or not texts:
        raise ValueError("expected a list of at least one secret")
    return tuple(Secret.parse(str(text)) for text in texts)
