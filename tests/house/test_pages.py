"""Every address answers everybody: with a page, a way to the door, or a clear no; never with 500."""

from uuid import UUID

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from compliance.actors import system
from compliance.permissions import Role
from compliance.services import account
from config.overview import OBJECT_PAGES
from tests.conftest import CAST
from tests.furnished import furnish

pytestmark = pytest.mark.django_db
NOBODYS = UUID("01890000-0000-7000-8000-000000000001")
WORDS = {"slug": "canary", "str": "x", "int": 1, "path": "x", "uuid": NOBODYS}
NAMESPACES = ("", "assessments", "compliance", "incidents")
PEOPLE = [*CAST, "visitor"]
FINE = {200, 302, 400, 401, 403, 404, 405, 409, 415, 422}


def addresses(patterns=None, namespace="", before=()):
    """(name, arguments) of every named address of ours."""
    for pattern in patterns if patterns is not None else get_resolver().url_patterns:
        converters = {**dict(before), **pattern.pattern.converters}
        if isinstance(pattern, URLResolver):
            if (pattern.namespace or "") in NAMESPACES and pattern.namespace is not None:
                yield from addresses(pattern.url_patterns, pattern.namespace, converters.items())
        elif isinstance(pattern, URLPattern) and pattern.name:
            name = f"{namespace}:{pattern.name}" if namespace else pattern.name
            yield name, {key: type(each).__name__ for key, each in converters.items()}


def written(name, converters):
    kinds = {"UUIDConverter": NOBODYS, "SlugConverter": "canary", "IntConverter": 1}
    return reverse(name, kwargs={key: kinds.get(kind, "x") for key, kind in converters.items()})


ADDRESSES = {name: written(name, converters) for name, converters in addresses()}


@pytest.fixture
def browser(request, client_as):
    def open_as(key):
        return Client() if key == "visitor" else client_as(request.getfixturevalue(key))

    return open_as


@pytest.fixture
def house(ada, bo, rae, cy):
    return furnish(ada=ada, bo=bo, rae=rae, cy=cy)


def test_there_are_addresses():
    assert len(ADDRESSES) > 90


@pytest.mark.parametrize("key", PEOPLE)
def test_no_address_breaks_when_nothing_is_there(browser, key):
    client = browser(key)
    client.raise_request_exception = False
    for method in ("get", "post"):
        answers = {name: getattr(client, method)(address) for name, address in ADDRESSES.items()}
        odd = {
            name: answer.status_code
            for name, answer in answers.items()
            if answer.status_code not in FINE
        }
        assert odd == {}, method


@pytest.mark.parametrize("role", list(Role))
def test_every_object_page_answers_every_role(house, client_as, role):
    person = account.make("fay@example.org", "Somebody", [role], by=system("tests"))
    client = client_as(person)
    seen = {kind: client.get(page_of(house, kind)).status_code for kind in OBJECT_PAGES}
    assert set(seen.values()) <= {200, 302, 403, 404}, seen
    if role is Role.AUDITOR:
        read = {kind: client.get(page_of(house, kind), follow=True) for kind in OBJECT_PAGES}
        hidden = {kind for kind, answer in read.items() if answer.status_code != 200}
        assert hidden <= {"person", "token", "blob"}, seen


def test_the_outsider_finds_nothing(house, client_as, dee):
    client = client_as(dee)
    seen = {kind: client.get(page_of(house, kind)).status_code for kind in OBJECT_PAGES}
    assert set(seen.values()) <= {403, 404}, seen


def test_a_visitor_is_led_to_the_door(house):
    client = Client()
    for kind in OBJECT_PAGES:
        answer = client.get(page_of(house, kind))
        assert answer.status_code == 302, kind
        assert answer.url.startswith(reverse("account_login")), kind


def test_the_roof_leads_to_every_object(house, client_as, ada):
    client = client_as(ada)
    for kind in OBJECT_PAGES:
        answer = client.get(reverse("resolve", args=[kind, house.uuid(kind)]))
        assert (answer.status_code, answer.url) == (302, page_of(house, kind)), kind


def test_hostile_words_stay_words(house, client_as, ada):
    client = client_as(ada)
    for kind in OBJECT_PAGES:
        content = client.get(page_of(house, kind)).getvalue()
        if content.startswith(b"%PDF"):
            continue
        assert b"<script>alert(1)" not in content, kind
        assert "\u202e".encode() not in content, kind


def page_of(house, kind):
    return reverse(OBJECT_PAGES[kind], kwargs={"uuid": house.uuid(kind)})
