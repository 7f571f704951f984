"""Follow every link that a person meets, from Today on: which pages there are, and which links lie."""

from __future__ import annotations

import html
import re
from collections import deque
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

from django.test import Client
from django.urls import Resolver404, resolve, reverse

from config.overview import OBJECT_PAGES
from tests.furnished import Furnished

HREF = re.compile(r"""<a\b[^>]*?\shref=["']([^"'#]+)""", re.IGNORECASE)
LEAVES = {"account_logout"}
MOST = 600


@dataclass
class Found:
    """What the walk came to."""

    pages: dict[str, str] = field(default_factory=dict)
    """One address for each kind of page, by its name and words."""
    broken: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Address to status and the page that links there."""


def crawl(client: Client, house: Furnished) -> Found:
    """Breadth first, one page of each kind; object pages are visited even when nobody links there."""
    starts = [
        reverse(name, kwargs={"uuid": house.uuid(kind)}) for kind, name in OBJECT_PAGES.items()
    ]
    waiting = deque([(reverse("today"), "")] + [(start, "") for start in starts])
    found, seen, tried = Found(), set[str](), dict[str, int]()
    while waiting and len(seen) < MOST:
        address, origin = waiting.popleft()
        if address in seen:
            continue
        seen.add(address)
        kind = kind_of(address)
        if kind is None or kind in LEAVES or tried.get(kind, 0) > 4:
            continue
        tried[kind] = tried.get(kind, 0) + 1
        answer = client.get(address)
        if answer.status_code in {301, 302}:
            waiting.append((urljoin(address, answer.url), origin))
        elif answer.status_code != 200:
            found.broken[address] = (answer.status_code, origin)
        elif answer["Content-Type"].startswith("text/html"):
            found.pages.setdefault(kind, address)
            waiting.extend((link, address) for link in links(address, answer.content.decode()))
    return found


def links(address: str, content: str) -> list[str]:
    """Where the page's links lead, without those that leave the house."""
    found = (urljoin(address, html.unescape(href)) for href in HREF.findall(content))
    return [link for link in found if not urlsplit(link).netloc and urlsplit(link).scheme == ""]


def kind_of(address: str) -> str | None:
    """The name of the page and the words in its address; None for what is no page of ours."""
    path = urlsplit(address).path
    if path.startswith(("/static/", "/api/")):
        return None
    try:
        match = resolve(path)
    except Resolver404:
        return f"nowhere:{path}"
    words = [str(value) for value in match.kwargs.values() if isinstance(value, str)]
    return " ".join([match.view_name, *words[:1]])
