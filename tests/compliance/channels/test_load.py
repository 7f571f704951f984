import pytest

from compliance.channels.base import ChannelError
from compliance.channels.chat import ChatChannel
from compliance.channels.email import EmailChannel
from compliance.channels.load import ChannelKind, load
from compliance.channels.null import NullPager
from compliance.channels.webhook import WebhookChannel
from compliance.egress import Egress, Policy

EGRESS = Egress(Policy(frozenset()))
SECRET = "whsec_" + "A" * 32
WHOLE = {
    ChannelKind.EMAIL: (EmailChannel, {"sender": "strata@example.org"}),
    ChannelKind.WEBHOOK: (WebhookChannel, {"url": "https://a.example", "secrets": [SECRET]}),
    ChannelKind.CHAT: (ChatChannel, {"url": "https://a.example"}),
    ChannelKind.NULL: (NullPager, {}),
}


@pytest.mark.parametrize("kind", ChannelKind)
def test_every_kind_loads(kind):
    channel, config = WHOLE[kind]
    assert isinstance(load(kind, config, egress=EGRESS), channel)


@pytest.mark.parametrize(
    ("kind", "config", "message"),
    [
        ("pigeon", {}, "pigeon"),
        ("webhook", {"secrets": [SECRET]}, "'url'"),
        ("webhook", {"url": "https://a.example"}, "'secrets'"),
        ("webhook", {"url": "https://a.example", "secrets": []}, "at least one"),
        ("webhook", {"url": "https://a.example", "secrets": SECRET}, "list"),
        ("webhook", {"url": "https://a.example", "secrets": ["short"]}, "whsec_"),
        ("chat", {}, "'url'"),
    ],
)
def test_a_configuration_that_lacks_something_is_refused_for_good(kind, config, message):
    with pytest.raises(ChannelError, match=message) as caught:
        load(kind, config, egress=EGRESS)
    assert caught.value.permanent
