"""A person at a browser without JavaScript: opens pages, fills in forms, follows redirects."""

from __future__ import annotations

import html as markup
import http.cookiejar
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from html.parser import HTMLParser


class NothingLikeIt(AssertionError):
    """The page does not offer what the person looked for; the message says what it offers."""


@dataclass(frozen=True)
class Pick:
    """The option of a list whose label contains these words."""

    words: str


@dataclass
class Form:
    """One form of a page: where it goes and what it holds before anybody types."""

    action: str
    fields: dict[str, list[str]] = field(default_factory=dict)
    options: dict[str, list[tuple[str, str]]] = field(default_factory=dict)

    def value(self, name: str, given: object) -> str:
        """What the browser sends for what a person typed or picked."""
        if not isinstance(given, Pick):
            return str(given)
        offered = self.options.get(name, [])
        for value, label in offered:
            if value and given.words in label:
                return value
        raise NothingLikeIt(f"{name}: no option says “{given.words}”; there are {offered}")


CSRF = "csrfmiddlewaretoken"
OK = 200


@dataclass
class Page:
    """What came back."""

    status: int
    url: str
    body: bytes
    forms: list[Form] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The page as text, tags left out, spaces folded."""
        without = re.sub(r"<(script|style).*?</\1>|<[^>]+>", " ", self.html, flags=re.DOTALL)
        return markup.unescape(re.sub(r"\s+", " ", without))

    @property
    def html(self) -> str:
        """The page as it came."""
        return self.body.decode(errors="replace")

    @property
    def path(self) -> str:
        """Where one ended up, after redirects."""
        return urllib.parse.urlsplit(self.url).path

    def link(self, part: str) -> str:
        """The first address that contains this."""
        found = self.links(part)
        if not found:
            raise NothingLikeIt(f"{self.url}: no link to {part}; {self.text[:800]}")
        return found[0]

    def links(self, part: str) -> list[str]:
        """Addresses of links that contain this."""
        return [href for href in re.findall(r'href="([^"]+)"', self.html) if part in href]


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._select = ""
        self._area = ""
        self._box = ""
        self._is_option = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        name = given.get("name") or ""
        if tag == "form":
            self.forms.append(Form(given.get("action") or ""))
        elif not self.forms:
            return
        elif tag == "input" and name:
            self._input(name, given)
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select:
            self._option(given)
        elif tag == "textarea" and name:
            self._area = name

    def _input(self, name: str, given: dict[str, str | None]) -> None:
        kind = given.get("type") or "text"
        if kind in {"submit", "button", "image"}:
            return
        if kind in {"checkbox", "radio"}:
            # Its words follow it, inside the same label.
            self.forms[-1].options.setdefault(name, []).append((given.get("value") or "", ""))
            self._box = name
            if "checked" not in given:
                return
        self._add(name, given.get("value") or ("on" if kind == "checkbox" else ""))

    def _option(self, given: dict[str, str | None]) -> None:
        value = given.get("value") or ""
        self.forms[-1].options.setdefault(self._select, []).append((value, ""))
        self._is_option = True
        if "selected" in given:
            self._add(self._select, value)

    def _add(self, name: str, value: str) -> None:
        self.forms[-1].fields.setdefault(name, []).append(value)

    def handle_data(self, data: str) -> None:
        if self._box and self.forms:
            value, label = self.forms[-1].options[self._box][-1]
            self.forms[-1].options[self._box][-1] = (value, label + data.strip())
        elif self._is_option and self._select:
            value, label = self.forms[-1].options[self._select][-1]
            self.forms[-1].options[self._select][-1] = (value, label + data.strip())
        elif self._area and self.forms:
            self.forms[-1].fields[self._area] = [data.removeprefix("\n")]
            self._area = ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "label":
            self._box = ""
        elif tag == "option":
            self._is_option = False
        elif tag == "select":
            # Nothing is marked as selected: a browser sends the first.
            offered = self.forms[-1].options.get(self._select) if self.forms else None
            if offered and self._select not in self.forms[-1].fields:
                self._add(self._select, offered[0][0])
            self._select = ""
        elif tag == "textarea":
            self._area = ""


class Visitor:
    """One signed-in person."""

    def __init__(self, base: str) -> None:
        """A stranger at first."""
        self.base = base
        jar = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))

    def sign_in(self, email: str, password: str) -> Visitor:
        """Through the sign-in page, as everybody does."""
        page = self.submit("/account/login/", "/account/login/", login=email, password=password)
        assert "/account/login" not in page.url, page.text[:600]
        return self

    def open(self, path: str) -> Page:
        """GET."""
        return self._go(urllib.request.Request(urllib.parse.urljoin(self.base, path)))

    def submit(self, path: str, action: str, **values: object) -> Page:
        """Open a page, fill in the form whose action ends so, send it, follow the redirect.

        A list value stands for several boxes of one name.
        """
        page = self.open(path)
        assert page.status == OK, f"{path}: {page.status} {page.text[:400]}"
        return self.send(page, self._form(page, action), values)

    def fill(self, path: str, **values: object) -> Page:
        """Submit the form of a page that is nothing but its form."""
        return self.submit(path, urllib.parse.urlsplit(path).path, **values)

    def press(self, path: str, action: str, **values: object) -> Page:
        """Send to an address for which the page offers no form, as somebody who insists would."""
        page = self.open(path)
        token = next(f.fields[CSRF] for f in page.forms if CSRF in f.fields)
        return self.send(page, Form(action, {CSRF: token}), values)

    def send(self, page: Page, form: Form, values: dict[str, object]) -> Page:
        """Send a form of a page that is open."""
        fields = dict(form.fields)
        for name, given in values.items():
            each = given if isinstance(given, list) else [given]
            fields[name] = [form.value(name, one) for one in each]
        body = urllib.parse.urlencode(fields, doseq=True).encode()
        target = urllib.parse.urljoin(page.url, form.action or page.url)
        return self._go(urllib.request.Request(target, body, {"Referer": page.url}))

    def _form(self, page: Page, action: str) -> Form:
        for form in page.forms:
            if form.action.split("?")[0].endswith(action):
                return form
        offered = [form.action for form in page.forms]
        raise NothingLikeIt(f"{page.url}: no form goes to {action}; there are {offered}")

    def _go(self, request: urllib.request.Request) -> Page:
        try:
            with self._opener.open(request, timeout=30) as answer:
                page = Page(answer.status, answer.url, answer.read())
        except urllib.error.HTTPError as error:
            page = Page(error.code, error.url or "", error.read())
        parser = _Forms()
        parser.feed(page.html)
        page.forms = parser.forms
        return page

    def wait(self, path: str, told: Callable[[Page], bool], *, seconds: float = 90) -> Page:
        """Look again until the page tells."""
        until = time.monotonic() + seconds
        while True:
            page = self.open(path)
            if told(page):
                return page
            assert time.monotonic() < until, (
                f"{path}: not within {seconds:.0f} s: {page.text[:1500]}"
            )
            time.sleep(0.4)
