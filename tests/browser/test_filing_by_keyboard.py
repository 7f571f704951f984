"""From an alert to a filed 72-hour report without leaving the keyboard, in a real browser.

Nothing is clicked and no field is filled from outside: every step is a key that is pressed. The house
is the walks' own, with its workers and the sandbox of an authority beside it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.browser.conftest import WIDE
from tests.conftest import PASSWORD
from tests.walks import acts
from tests.walks.conftest import Standing, assistant, ladder, signed_in, standing
from tests.walks.telemetry import Exporter, tool_call
from tests.walks.visitor import Visitor

pytestmark = [pytest.mark.browser, pytest.mark.walk, pytest.mark.xdist_group("walks")]
__all__ = ["assistant", "ladder", "signed_in", "standing"]

KEY = "keyboard"
MOST_TABS = 400
PATIENCE = 90.0
FOCUSED = """() => {
  const at = document.activeElement;
  if (!at || at === document.body) return {name: "", tag: "BODY", text: ""};
  const words = at.getAttribute("aria-label") || (at.labels && at.labels[0] && at.labels[0].textContent)
    || at.textContent || "";
  const shown = at.checkVisibility ? at.checkVisibility() : true;
  return {name: at.name || "", tag: at.tagName, text: words.replace(/\\s+/g, " ").trim(), shown,
    href: at.getAttribute("href") || ""};
}"""


class Keys:
    """Somebody who has a keyboard and nothing else."""

    def __init__(self, page: Page) -> None:
        """Sits before a page."""
        self.page = page
        self.n_pressed = 0

    def press(self, key: str) -> None:
        """One key."""
        self.page.keyboard.press(key)
        self.n_pressed += 1

    def type(self, text: str) -> None:
        """One key for each character."""
        self.page.keyboard.type(text)
        self.n_pressed += len(text)

    def tab_to(self, *, text: str = "", name: str = "", href: str = "") -> None:
        """Tab until the focus stands on it; give up after a whole round."""
        for _ in range(MOST_TABS):
            self.press("Tab")
            at = self.page.evaluate(FOCUSED)
            found = (
                (not text or re.search(text, at["text"]))
                and (not name or at["name"] == name)
                and (not href or re.search(href, at.get("href", "")))
            )
            if found and at["tag"] != "BODY":
                return
        raise AssertionError(f"no way by Tab to {text or name or href} on {self.page.url}")

    def go(self, **wanted: str) -> None:
        """Tab to a link or button, and Enter; wait until the next page is there."""
        self.tab_to(**wanted)
        with self.page.expect_navigation(wait_until="load"):
            self.press("Enter")

    def wait_for(self, text: str) -> None:
        """Load the page anew, as F5 does (which a headless browser does not hear), until it says so."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            if re.search(text, self.page.inner_text("main")):
                return
            time.sleep(1)
            self.page.reload(wait_until="load")
        raise AssertionError(f"{self.page.url} never said {text}: {self.page.inner_text('main')}")

    def says(self, text: str) -> bool:
        """Whether the page says it."""
        return re.search(text, self.page.inner_text("main")) is not None


@pytest.fixture
def at_the_keyboard(browser: Browser, standing: Standing) -> Iterator[Callable[[str], Keys]]:
    """Somebody of the cast, who signed in by keys alone."""
    opened: list[BrowserContext] = []

    def sit(person: str) -> Keys:
        context = browser.new_context(
            viewport=WIDE,  # type: ignore[arg-type]
            locale="en-GB",
            reduced_motion="reduce",
        )
        context.set_default_timeout(30_000)
        opened.append(context)
        keys = Keys(context.new_page())
        keys.page.goto(f"{standing.base}/account/login/", wait_until="load")
        keys.tab_to(name="login")
        keys.type(f"{person}@example.org")
        keys.tab_to(name="password")
        keys.type(PASSWORD)
        with keys.page.expect_navigation(wait_until="load"):
            keys.press("Enter")
        return keys

    yield sit
    for context in opened:
        context.close()


@pytest.fixture
def alerted(
    standing: Standing, signed_in: Callable[[str], Visitor], assistant: str, ladder: None
) -> str:
    """A deployment of the simulated system has raised a critical alert, which opened an incident."""
    ada, bo = signed_in("ada"), signed_in("bo")
    model = acts.register_model(ada, assistant, "Keyboard line")
    version = acts.register_version(ada, model, "1.0.0", standing.folder("kiosk"))
    deployment = acts.register_deployment(ada, assistant, KEY, "production")
    acts.declare_serving(ada, deployment, version)
    exporter = Exporter(standing.base, KEY, acts.token_for(ada, deployment))
    assert exporter.say(tool_call("search_docs"), weights="f" * 64) == 200
    return acts.incident_of(bo, KEY)


def test_from_an_alert_to_a_filed_72_hour_report_by_keys_alone(
    alerted: str, at_the_keyboard: Callable[[str], Keys]
) -> None:
    rae = at_the_keyboard("rae")
    report = classified_by(rae)
    drafted_by(rae)
    approved_by(at_the_keyboard("ada"), report)
    filed_by(rae)
    assert rae.n_pressed > 300
    assert alerted.split("/")[3] in rae_sees_it_met(rae)


def classified_by(rae: Keys) -> str:
    """Alert, incident, wizard: the clock of 72 hours starts; the report's path."""
    rae.go(text=r"^Observe")
    rae.go(href=r"/observe/alerts/$")
    rae.go(href=r"/observe/alerts/[0-9a-f]{8}|/r/alert/")
    rae.go(href=r"/respond/incidents/|/r/incident/")
    assert rae.says("An alert is not awareness")
    rae.go(text="^Classify$")
    rae.tab_to(name="why_awareness")
    rae.type("Rae read the alert and looked at what was served. SIMULATION.")
    rae.tab_to(text="^Were the model")
    rae.press("Space")
    rae.tab_to(name="why_harm")
    rae.type("Weights that nobody registered were served. SIMULATION.")
    rae.page.locator("#outcomes .follow strong").first.wait_for()
    rae.tab_to(name="confirmed")
    rae.press("Space")
    rae.tab_to(name="why_laws")
    rae.type("The house's own rule binds whoever serves a model here. SIMULATION.")
    rae.go(text="^Classify, and start the clocks$")
    assert rae.says("Classified as serious")
    rae.go(text="72", href=r"/r/report/")
    return rae.page.url


def drafted_by(rae: Keys) -> None:
    """Every field is answered or stated as not known; a second person is asked."""
    if rae.says("not answered"):
        rae.go(href=r"/edit/$")
        answer_what_is_open(rae)
    rae.go(text="^Submit for approval$")
    assert rae.says("second person")


def answer_what_is_open(rae: Keys) -> None:
    """Tab through the form and write into each empty answer."""
    seen_end = False
    for _ in range(MOST_TABS):
        rae.press("Tab")
        at = rae.page.evaluate(FOCUSED)
        if at["name"].endswith("-value") and rae.page.evaluate(
            "() => !document.activeElement.value && !document.activeElement.readOnly"
        ):
            rae.type("Not established yet; the review will say.")
        if at["tag"] == "BUTTON" and re.search("^Save", at["text"]):
            seen_end = True
            break
    assert seen_end
    with rae.page.expect_navigation(wait_until="load"):
        rae.press("Enter")


def approved_by(ada: Keys, report: str) -> None:
    """The second person finds it among what waits, and approves exactly this revision."""
    ada.go(text="^Waits for me")
    ada.go(
        href=r"/approvals/[0-9a-f]{8}|/r/approval/|" + re.escape(report.rpartition("/duties")[2])
    )
    if "/reports/" not in ada.page.url:
        ada.go(href=r"/duties/reports/[0-9a-f]{8}|/r/report/")
    assert report.rpartition("/reports/")[2] in ada.page.url
    ada.tab_to(text="^Approve report$")
    ada.press("Enter")
    ada.go(text="^Approve report$")
    ada.wait_for("the paper is there")


def filed_by(rae: Keys) -> None:
    """Out through the sandbox of the authority, until its receipt is there."""
    rae.page.reload(wait_until="load")
    rae.tab_to(text="^File report$")
    rae.press("Enter")
    rae.tab_to(name="way")
    rae.type("Sandbox")
    rae.go(text="^File report$")
    rae.wait_for("The recipient acknowledged it")
    assert rae.says("receipt")


def rae_sees_it_met(rae: Keys) -> str:
    """On the board the clock stands among those that a receipt stopped; the address of its incident."""
    rae.go(text="^Duties$")
    rae.go(text=r"^Met \d")
    assert rae.says("72")
    rae.tab_to(href=r"/r/incident/")
    return str(rae.page.evaluate(FOCUSED)["href"])
