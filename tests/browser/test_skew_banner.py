"""While clocks disagree, pages say so: seen in a browser, and as sound as without it."""

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tests.browser.conftest import BASE, NARROW, WIDE, open_page

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

PATIENCE = 30  # seconds; a web process believes its last look for ten
SET = """
import django
django.setup()
from datetime import timedelta
from compliance.clock import host
from compliance.services import timekeeping
off = [timedelta(0)]
watch = timekeeping.Watch(wall=lambda: host() + off[0])
off[0] = timedelta(minutes={minutes})
watch.look()
"""


def machine_is_off_by(stand, minutes: int) -> None:
    """What the keeper notes, in a process of its own."""
    subprocess.run(
        [sys.executable, "-c", SET.format(minutes=minutes)], cwd=BASE, env=stand.env, check=True
    )


def banner(page, *, is_there: bool) -> str:
    """Load the page anew until the banner is there, or gone; what it says."""
    until = time.monotonic() + PATIENCE
    while (page.locator("#skew").count() > 0) is not is_there:
        assert time.monotonic() < until, "the page went on as before"
        time.sleep(1)
        page.reload(wait_until="load")
    return page.locator("#skew").inner_text() if is_there else ""


@pytest.fixture
def apart(stand) -> Iterator[None]:
    machine_is_off_by(stand, 64)
    yield
    machine_is_off_by(stand, 0)


def test_a_page_with_the_banner_is_sound_light_and_dark_wide_and_narrow(inside, stand, apart):
    sight = open_page(inside, f"{stand.base}{stand.pages['compliance:duties']}")
    said = banner(sight.page, is_there=True)
    assert "1 hour, 4 minutes ahead" in said.replace("\u00a0", " ")
    sight = open_page(inside, sight.page.url)
    for scheme, size in (("light", WIDE), ("dark", WIDE), ("dark", NARROW), ("light", NARROW)):
        sight.look(scheme=scheme, size=size)
        assert sight.violations() == []
        assert sight.overflow() == 0
    assert sight.complaints == []
    machine_is_off_by(stand, 0)
    banner(sight.page, is_there=False)
