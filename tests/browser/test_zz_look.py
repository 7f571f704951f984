import pytest
from tests.browser.conftest import NARROW, WIDE, open_page
from tests.browser.test_every_page import examine
pytestmark = pytest.mark.browser
MINE = ("calendar","calendar_month","new_duty","duty","new_own_duty","new_registration","new_pack_duty","complete_duty","duty_milestones","authority_requests","authority_request","new_authority_request","reply_authority_request","releases","release","new_release","new_release_for","feeds","new_feed","new_authority_question","prolong_authority_request")
def test_look(inside, stand, subtests):
    for name, address in stand.pages.items():
        short = name.split()[0].partition(":")[2]
        if short not in MINE:
            continue
        with subtests.test(page=name):
            sight = open_page(inside, f"{stand.base}{address}")
            for scheme, size in (("light", WIDE), ("dark", NARROW)):
                sight.look(scheme=scheme, size=size)
                sight.page.screenshot(path=f"/tmp/look/{short}-{scheme}-{size['width']}.png", full_page=True)
            sight.page.close()
            wrong = examine(inside, f"{stand.base}{address}")
            print(name, wrong)
            assert wrong == []
