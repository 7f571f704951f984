"""Debian's Chromium before a real web server on a house of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from config.processes import House, free_port
from tests.servers import chromium

BASE = Path(__file__).resolve().parents[2]
AXE = Path(__file__).with_name("axe.min.js").read_text(encoding="utf-8")
WIDE, NARROW = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
AXE_RUN = """async () => {
  const found = await axe.run(document, {resultTypes: ["violations"]});
  return found.violations.map(v => `${v.id} (${v.impact}): ${v.help}: ` +
    v.nodes.slice(0, 3).map(n => n.target.join(" ") + " " + (n.any[0] || n.all[0] || n.none[0] || {message: ""}).message).join(" ; "));
}"""
SETTLED = "() => document.fonts.ready.then(() => document.getAnimations().every(a => a.playState !== 'running'))"


@dataclass
class Stand:
    """The running house and what is in it."""

    base: str
    cookie: dict[str, str]
    pages: dict[str, str]
    outside: dict[str, str]
    env: dict[str, str] = field(default_factory=dict)
    """In which a program of the house runs beside its web server."""


@dataclass
class Sight:
    """A page as a browser sees it, and everything it complained about."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    def look(self, *, scheme: str, size: dict[str, int]) -> None:
        """Light or dark, wide or narrow; wait until nothing moves."""
        self.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        self.page.set_viewport_size(size)  # type: ignore[arg-type]
        self.page.wait_for_function(SETTLED)

    def violations(self) -> list[str]:
        """What axe-core finds, with every rule that is on by default."""
        found: list[str] = self.page.evaluate(AXE_RUN)
        return found

    def overflow(self) -> int:
        """Pixels by which the page is wider than the window."""
        wider: int = self.page.evaluate(
            "() => document.documentElement.scrollWidth - window.innerWidth"
        )
        return max(wider, 0)

    def ground(self) -> str:
        """The colour of the canvas."""
        colour: str = self.page.evaluate("() => getComputedStyle(document.body).backgroundColor")
        return colour


@pytest.fixture(scope="session")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """Filled, and served by the real web server."""
    var = tmp_path_factory.mktemp("browser")
    with House(base=BASE, var=var, port=free_port(), env=_own_environment()) as house:
        made = subprocess.run(
            [sys.executable, "-m", "tests.browser.prepare"],
            cwd=BASE, env=house.env, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert made.returncode == 0, made.stderr[-3000:]
        told: dict[str, Any] = json.loads(made.stdout.strip().splitlines()[-1])
        house.web()
        yield Stand(f"http://127.0.0.1:{house.port}", env=house.env, **told)


def _own_environment() -> dict[str, str]:
    return {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATABASE_URL": "",
        "CELERY_BROKER_URL": "",
        "SITE_URL": "",
    }


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all."""
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=str(chromium()), args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def inside(browser: Browser, stand: Stand) -> Iterator[BrowserContext]:
    """Signed in as somebody who may see everything."""
    context = _context(browser)
    context.add_cookies([{**stand.cookie, "url": stand.base}])  # type: ignore[list-item]
    yield context
    context.close()


@pytest.fixture(scope="session")
def visitor(browser: Browser) -> Iterator[BrowserContext]:
    """Nobody yet."""
    context = _context(browser)
    yield context
    context.close()


def _context(browser: Browser) -> BrowserContext:
    context = browser.new_context(viewport=WIDE, locale="en-GB", reduced_motion="reduce")  # type: ignore[arg-type]
    context.set_default_timeout(20_000)
    return context


def open_page(context: BrowserContext, url: str) -> Sight:
    """Open an address and listen to every complaint of the browser."""
    sight = Sight(context.new_page())
    page = sight.page
    page.on(
        "console",
        lambda said: said.type in {"error", "warning"} and sight.complaints.append(said.text),
    )
    page.on("pageerror", lambda error: sight.complaints.append(str(error)))
    page.on("requestfailed", lambda r: sight.complaints.append(f"{r.url}: {r.failure}"))
    page.on(
        "response", lambda r: r.status >= 400 and sight.complaints.append(f"{r.status} {r.url}")
    )
    page.goto(url, wait_until="load")
    # In through the debugger, since the policy forbids a page to load what is not ours.
    page.evaluate(AXE)
    return sight
