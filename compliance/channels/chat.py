"""Messages into a chat room, by the incoming webhook that Slack and Mattermost both understand.

The two differ in what they make of marks in text, and the text may come from a model. So words of
ours and of strangers alike go in a code block, where neither room finds links, images or names to
call; the subject above it loses every mark either room knows.
"""

import json
import re
from dataclasses import dataclass, field
from typing import Final

from compliance import clock
from compliance.channels.base import Delivery, DeliveryState, Message
from compliance.channels.webhook import post
from compliance.egress import Egress
from compliance.hostile import clean, one_line

MAX_BODY: Final = 2_500
_MARKS: Final = re.compile(r"[*_~`\[\]()!|#\\]")
_LOOKS_LIKE_A_BACKTICK: Final = "\u02cb"
_ZERO_WIDTH_SPACE: Final = "\u200b"


@dataclass(frozen=True)
class ChatChannel:
    """Posts to one incoming webhook; the URL is itself the secret."""

    url: str = field(repr=False)
    egress: Egress = field(repr=False)

    def send(self, message: Message) -> Delivery:
        """Post the message to the room."""
        body = json.dumps({"text": room_text(message)}, ensure_ascii=False).encode()
        answer = post(self.egress, self.url, body, {"Content-Type": "application/json"})
        return Delivery(DeliveryState.SENT, clock.now(), str(message.key), f"HTTP {answer.status}")


def room_text(message: Message) -> str:
    """The message as a chat room shows it: a line, a block, and where to read on."""
    severity, to, subject = (
        _plain(one_line(part)) for part in (message.severity, message.to, message.subject)
    )
    head = " · ".join(part for part in (severity.upper(), to, subject) if part)
    block = _escaped(clean(message.body, MAX_BODY)).replace("`", _LOOKS_LIKE_A_BACKTICK)
    # The full key, so that a message sent again after a crash can be seen to be the same.
    parts = [head, f"```\n{block}\n```" if block else "", _escaped(message.url), str(message.key)]
    return "\n".join(part for part in parts if part)


def _plain(text: str) -> str:
    """Text without marks; `@` is parted from the name after it, so that nobody is called."""
    return _escaped(_MARKS.sub(" ", text)).replace("@", f"@{_ZERO_WIDTH_SPACE}")


def _escaped(text: str) -> str:
    """Slack takes `<…>` for links and calls, in code blocks too."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
