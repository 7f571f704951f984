import logging
from uuid import UUID

from compliance.channels.base import Channel, DeliveryState, Message
from compliance.channels.null import NullPager

MESSAGE = Message(
    key=UUID("017f22e2-79b0-7cc3-98c4-dc0c0c07398f"),
    to="ada",
    subject="Wake up\nforged log line",
    body="",
    url="",
    severity="sev1",
)


def test_the_null_pager_warns_aloud_and_claims_nothing(caplog):
    pager: Channel = NullPager()
    with caplog.at_level(logging.WARNING):
        delivery = pager.send(MESSAGE)
    assert delivery.state is DeliveryState.SHOWN_ONLY
    assert "nobody was told" in delivery.note
    (line,) = caplog.messages
    assert line.startswith("NOT SENT, nobody was told: ada: Wake up forged log line.")
