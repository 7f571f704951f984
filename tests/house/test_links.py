"""Whoever reads can follow every link that is shown, and lands on a page."""

import pytest

from compliance.permissions import Role
from compliance.services import account
from tests.crawl import crawl
from tests.furnished import furnish

pytestmark = pytest.mark.django_db
EVERYTHING = [role for role in Role if role is not Role.RED_TEAMER]


def test_no_link_leads_nowhere_for_somebody_who_may_do_everything(
    ada, bo, rae, cy, client_as, root
):
    house = furnish(ada=ada, bo=bo, rae=rae, cy=cy)
    gus = account.make("gus@example.org", "Everybody", EVERYTHING, by=root)
    found = crawl(client_as(gus), house)
    assert found.broken == {}
    assert len(found.pages) > 50


@pytest.mark.parametrize("key", ["ada", "bo", "rae", "cy"])
def test_no_link_is_shown_that_its_reader_may_not_follow(request, key, client_as, ada, bo, rae, cy):
    house = furnish(ada=ada, bo=bo, rae=rae, cy=cy)
    found = crawl(client_as(request.getfixturevalue(key)), house)
    shown = {address: broken for address, broken in found.broken.items() if broken[1]}
    assert shown == {}, "address: (status, the page that shows it)"
