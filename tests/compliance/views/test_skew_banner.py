"""While clocks disagree, every page says so to whoever is signed in, and to nobody else."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from html.parser import HTMLParser

import pytest
from django.test import Client
from django.urls import reverse

from compliance.clock import host
from compliance.models import User
from compliance.services import timekeeping

pytestmark = pytest.mark.django_db
PAGES = ("today", "compliance:duties", "compliance:regimes", "incidents:respond", "account_logout")


@pytest.fixture(autouse=True)
def _nothing_is_kept() -> Iterator[None]:
    timekeeping.forget()
    yield
    timekeeping.forget()


class Machine:
    """A machine whose clock a test sets."""

    def __init__(self) -> None:
        self.off = timedelta(0)
        self.watch = timekeeping.Watch(wall=lambda: host() + self.off)

    def is_off_by(self, off: timedelta) -> None:
        self.off = off
        self.watch.look()


def banner(html: str) -> str:
    """What the banner says; empty where there is none."""
    found = re.search(r'<div class="notice[^>]*id="skew">(.*?)</div>\s*</div>', html, re.DOTALL)
    return re.sub(r"<[^>]+>|\s+", " ", found[1]).strip() if found else ""


def read(client: Client, name: str = "today") -> str:
    return client.get(reverse(name)).content.decode()


@pytest.mark.parametrize("name", PAGES)
def test_every_page_says_it_while_it_lasts(
    name: str, ada: User, client_as: Callable[[User], Client]
) -> None:
    client, machine = client_as(ada), Machine()
    assert not banner(read(client, name))
    machine.is_off_by(timedelta(hours=1))
    assert banner(read(client, name))
    machine.is_off_by(timedelta(0))
    assert not banner(read(client, name))


@pytest.mark.parametrize(
    ("off", "words"),
    [
        (timedelta(hours=-1), "1 hour behind"),
        (timedelta(hours=1), "1 hour ahead"),
        (timedelta(days=730), "2 years ahead"),
        (timedelta(seconds=42), "42 seconds ahead"),
    ],
)
def test_it_says_what_by_how_much_since_when_and_what_to_do(
    off: timedelta, words: str, ada: User, client_as: Callable[[User], Client]
) -> None:
    Machine().is_off_by(off)
    said = banner(read(client_as(ada)))
    assert words in said
    assert re.search(r"noticed .*\d\d:\d\d (CET|CEST)", said)
    assert "No date was moved; deadlines are watched by the database's clock" in said.replace(
        "&#x27;", "'"
    )
    assert "time service (NTP) is set right" in said


def test_where_the_database_shares_the_clock_it_promises_less(
    ada: User, client_as: Callable[[User], Client]
) -> None:
    off = [timedelta(0)]
    watch = timekeeping.Watch(wall=lambda: host() + off[0], read=lambda: host() + off[0])
    off[0] = timedelta(hours=1)
    watch.look()
    said = banner(read(client_as(ada)))
    assert "runs by the same clock" in said
    assert "watched by the database" not in said


def test_where_only_the_database_moved_neither_is_blamed(
    ada: User, client_as: Callable[[User], Client]
) -> None:
    off = [timedelta(0)]
    watch = timekeeping.Watch(read=lambda: host() + off[0])
    off[0] = timedelta(hours=-1)
    watch.look()
    said = banner(read(client_as(ada)))
    assert "machine and database are 1 hour apart" in said.replace("\u00a0", " ")
    assert "Which of the two is wrong is not known" in said


def test_visitors_are_told_nothing(ada: User) -> None:
    Machine().is_off_by(timedelta(hours=1))
    assert "skew" not in Client().get(reverse("account_login")).content.decode()


class Parts(HTMLParser):
    """Which elements the banner stands in, and what it is."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.around: list[str] = []
        self.attributes: dict[str, str | None] = {}
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.ids += [given["id"] or ""] if "id" in given else []
        if given.get("id") == "skew":
            self.around, self.attributes = list(self.open), given
        if tag in {"main", "header", "nav", "form", "dialog"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self.open:
            self.open.remove(tag)


def test_it_is_a_status_inside_the_main_landmark(
    ada: User, client_as: Callable[[User], Client]
) -> None:
    Machine().is_off_by(timedelta(hours=1))
    parts = Parts()
    parts.feed(read(client_as(ada)))
    assert parts.around == ["main"]
    assert parts.attributes["role"] == "status"
    assert parts.ids.count("skew") == 1
