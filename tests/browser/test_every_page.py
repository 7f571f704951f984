"""Every page in a real browser: no complaint, no violation, light and dark, narrow and wide."""

import pytest

from tests.browser.conftest import NARROW, WIDE, open_page

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

LOOKS = [("light", WIDE), ("dark", WIDE), ("dark", NARROW), ("light", NARROW)]


def examine(context, url):
    """Everything that is wrong with one page, in words."""
    sight = open_page(context, url)
    wrong, grounds = [], {}
    for scheme, size in LOOKS:
        sight.look(scheme=scheme, size=size)
        where = f"{scheme} {size['width']}"
        grounds[scheme] = sight.ground()
        wrong += [f"{where}: {each}" for each in sight.violations()]
        if overflow := sight.overflow():
            wrong.append(f"{where}: {overflow} px too wide")
    if grounds["light"] == grounds["dark"]:
        wrong.append(f"dark looks like light: {grounds['dark']}")
    sight.page.close()
    return wrong + [f"complaint: {each}" for each in sight.complaints]


def test_there_are_pages(stand):
    assert len(stand.pages) > 50
    assert "account_login" in stand.outside


def test_every_page_inside_is_sound(inside, stand, subtests):
    for name, address in stand.pages.items():
        with subtests.test(page=name):
            assert examine(inside, f"{stand.base}{address}") == []


def test_every_page_outside_is_sound(visitor, stand, subtests):
    for name, address in stand.outside.items():
        with subtests.test(page=name):
            assert examine(visitor, f"{stand.base}{address}") == []


def test_a_page_that_is_not_there_is_sound_too(inside, stand):
    sight = open_page(inside, f"{stand.base}/inventory/nowhere/")
    assert [
        each for each in sight.complaints if not each.startswith(("404", "Failed to load resource"))
    ] == []
    assert sight.violations() == []
    sight.page.close()
