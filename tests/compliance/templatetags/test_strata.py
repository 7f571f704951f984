"""Times name their zone, digests stay recognisable, the navigation shows what is open."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from django.template import Context, Template
from django.test import RequestFactory, override_settings
from django.urls import include, path
from django.utils import timezone
from django.views.generic import RedirectView

from compliance import clock
from compliance.actors import Actor
from compliance.permissions import Permission
from compliance.services import wording
from compliance.templatetags import strata

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
DIGEST = "sha256:" + "0123456789abcdef" * 4


def render(source: str, **context: object) -> str:
    return Template("{% load strata %}" + source).render(Context(context))


def test_a_time_stands_in_the_readers_zone_with_its_name() -> None:
    with clock.held(NOON + timedelta(hours=3)), timezone.override("Europe/Berlin"):
        shown = render("{{ at|local_time }}", at=NOON)
    assert "22\u00a0Nov\u00a02026,\u00a013:00\u00a0CET" in shown
    assert 'datetime="2026-11-22T12:00:00+00:00"' in shown
    assert "3\u00a0hours ago" in shown


def test_a_relative_time_keeps_the_absolute_one_as_title() -> None:
    with clock.held(NOON), timezone.override("UTC"):
        shown = render('{{ at|local_time:"relative" }}', at=NOON + timedelta(days=2))
    assert ">in 2\u00a0days<" in shown
    assert 'title="24\u00a0Nov\u00a02026' in shown


def test_less_than_a_minute_is_now() -> None:
    with clock.held(NOON):
        assert strata.relative(NOON - timedelta(seconds=59)) == "just now"


def test_a_zone_without_a_name_shows_its_offset() -> None:
    with timezone.override("Asia/Dubai"):
        assert wording.zone_name(timezone.localtime(NOON)) == "UTC+04"


def test_no_time_is_a_dash() -> None:
    assert strata.local_time(None) == "\u2013"


def test_a_digest_is_shortened_in_the_middle_and_keeps_its_prefix() -> None:
    assert strata.short_digest(DIGEST) == "sha256:01234567…89abcdef"
    assert strata.short_digest("abc") == "abc"


def test_hostile_text_is_escaped_and_capped() -> None:
    shown = render("{{ text|safe_text:12 }}", text="<b>\u202etxt.exe" + "x" * 50)
    assert "<b>" not in shown
    assert "\u202e" not in shown


@pytest.mark.parametrize(
    ("share", "words"), [(0.1234, "12.3\u202f%"), (None, "\u2013"), ("0.5", "50.0\u202f%")]
)
def test_a_share_is_a_percentage(share: object, words: str) -> None:
    assert strata.percent(share) == words  # type: ignore[arg-type]


def test_the_bar_ends_at_the_latest_arguable_date() -> None:
    face = {
        "started_at": NOON,
        "target_due": NOON + timedelta(hours=72),
        "legal_latest": NOON + timedelta(hours=96),
        "fraction": 0.5,
    }
    bar = strata.clock_bar(face)
    assert (bar.elapsed, bar.target, bar.latest) == (375, 750, 998)
    assert bar.rest == 248


def test_a_clock_without_an_arguable_date_fills_its_bar() -> None:
    bar = strata.clock_bar(
        SimpleNamespace(started_at=NOON, target_due=NOON + timedelta(hours=1), fraction=7)
    )
    assert (bar.elapsed, bar.target, bar.latest, bar.rest) == (1000, 1000, None, 0)


class Places:
    """A house with three rooms, one of them behind a permission."""

    urlpatterns = (
        path("today", RedirectView.as_view(), name="today"),
        path(
            "", include(([path("settings", RedirectView.as_view(), name="settings")], "compliance"))
        ),
        path("", include(([path("respond", RedirectView.as_view(), name="respond")], "incidents"))),
    )


def reader(actor: object, path: str = "/") -> Context:
    request = RequestFactory().get(path)
    request.actor = actor  # type: ignore[attr-defined]
    return Context({"request": request})


@override_settings(ROOT_URLCONF=Places)
@pytest.mark.parametrize(
    ("is_allowed", "shown"),
    [
        (True, ["today", "incidents:respond", "compliance:settings"]),
        (False, ["today", "compliance:settings"]),
    ],
)
def test_the_navigation_shows_what_exists_and_is_open(
    *, is_allowed: bool, shown: list[str]
) -> None:
    actor = SimpleNamespace(may=lambda _permission: is_allowed)
    places = strata.nav(reader(actor, "/settings/tokens"))
    assert [place.item.url_name for place in places] == shown
    assert [place.item.url_name for place in places if place.is_current] == ["compliance:settings"]


def test_a_permission_opens_its_place() -> None:
    responder = SimpleNamespace(may=lambda permission: permission is Permission.INCIDENT_READ)
    respond = next(item for item in strata.NAV if item.url_name == "incidents:respond")
    assert strata.may_go(responder, respond)  # type: ignore[arg-type]
    assert not strata.may_go(None, respond)


def test_the_page_says_where_it_belongs() -> None:
    places = [(item, f"/{item.icon}") for item in strata.NAV]
    context = reader(Actor, "/scale/17")
    assert strata.current_place(places, context) == "compliance:duties"
    context["nav_current"] = "today"
    assert strata.current_place(places, context) == "today"


def entry(number: int) -> dict[str, object]:
    return {"at": NOON, "sentence": f"act {number}", "actor_label": "Ada", "note": "", "link": ""}


def timeline(n: int) -> str:
    source = '{% include "components/timeline.html" with entries=entries only %}'
    return Template(source).render(Context({"entries": [entry(each) for each in range(n)]}))


def test_a_long_story_folds_its_beginning_away_and_loses_nothing() -> None:
    told = timeline(30)
    before, after = told.split("</details>")
    assert "18 earlier entries" in before
    assert (before.count("timeline-entry"), after.count("timeline-entry")) == (18, 12)
    assert "act 29" in after


def test_a_short_story_is_told_whole() -> None:
    assert "<details" not in timeline(16)


def test_whole_numbers_are_grouped() -> None:
    assert strata.grouped(295602640) == "295,602,640"
    assert strata.grouped(None) == strata.DASH
