"""What a person does with mouse and keyboard, in a real browser."""

import pytest

from tests.browser.conftest import NARROW, open_page

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@pytest.fixture
def today(inside, stand):
    sight = open_page(inside, f"{stand.base}/")
    yield sight
    sight.page.close()


def test_the_first_tab_leads_to_the_content(today):
    today.page.keyboard.press("Tab")
    focused = today.page.evaluate("() => document.activeElement.getAttribute('href')")
    assert focused == "#content"


def test_a_word_finds_its_system_from_any_page(today):
    today.page.keyboard.press("Control+k")
    box = today.page.locator("input[type=search]:visible, input[name=q]:visible").first
    box.fill("Help desk")
    today.page.get_by_text("Help desk").first.wait_for()
    assert today.complaints == []


def test_the_policy_stops_what_is_not_ours(today):
    refused = today.page.evaluate("""() => new Promise(done => {
        document.addEventListener("securitypolicyviolation", e => done(e.violatedDirective));
        const script = document.createElement("script");
        script.textContent = "window.walked_in = true";
        document.body.append(script);
        setTimeout(() => done("nothing stopped it"), 2000);
    })""")
    assert refused.startswith("script-src")
    assert today.page.evaluate("() => window.walked_in") is None


def test_every_place_is_reached_on_a_phone(today, stand):
    today.look(scheme="light", size=NARROW)
    nav = today.page.locator("nav:visible a:visible")
    assert nav.count() >= 4
    nav.nth(1).click()
    today.page.wait_for_load_state("load")
    assert today.page.url != f"{stand.base}/"
    assert today.overflow() == 0


def test_a_page_without_scripts_still_reads(browser, stand):
    context = browser.new_context(java_script_enabled=False)
    context.add_cookies([{**stand.cookie, "url": stand.base}])
    page = context.new_page()
    page.goto(f"{stand.base}/inventory/")
    assert page.get_by_role("heading", level=1).count() == 1
    assert page.get_by_text("Help desk").count() >= 1
    context.close()
