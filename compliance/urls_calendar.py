"""Addresses of the calendar: standing duties, requests of authorities, unattended filing, feeds."""

from __future__ import annotations

from django.urls import path

from compliance.views import authority_requests, calendar, calendar_duties, feeds, releases

_DUTY = "duties/calendar/<uuid:uuid>/"
_DATE = "duties/dates/<uuid:uuid>/"
_REQUEST = "duties/requests/<uuid:uuid>/"
_QUESTION = "duties/questions/<uuid:uuid>/"
_RELEASE = "duties/releases/<uuid:uuid>/"

urlpatterns = [
    path("duties/calendar/", calendar.calendar, name="calendar"),
    path("duties/calendar/month/", calendar.month, name="calendar_month"),
    path("duties/calendar/new/", calendar_duties.new, name="new_duty"),
    path("duties/calendar/new/house/", calendar_duties.new_own, name="new_own_duty"),
    path("duties/calendar/new/registration/", calendar_duties.new_registration, name="new_registration"),
    path("duties/calendar/new/<slug:pack>/<slug:duty_id>/", calendar_duties.new_from_pack, name="new_pack_duty"),
    path(_DUTY, calendar_duties.duty, name="duty"),
    path(f"{_DUTY}assign/", calendar_duties.assign, name="assign_duty"),
    path(f"{_DUTY}milestones/", calendar_duties.anchors, name="duty_milestones"),
    path(f"{_DUTY}pause/", calendar_duties.pause, name="pause_duty"),
    path(f"{_DUTY}resume/", calendar_duties.resume, name="resume_duty"),
    path(f"{_DUTY}end/", calendar_duties.end, name="end_duty"),
    path(_DATE, calendar_duties.occurrence, name="occurrence"),
    path(f"{_DATE}done/", calendar_duties.complete, name="complete_duty"),
    path(f"{_DATE}waive/", calendar_duties.waive, name="waive_duty"),
    path("duties/requests/", authority_requests.request_list, name="authority_requests"),
    path("duties/requests/new/", authority_requests.new, name="new_authority_request"),
    path(_REQUEST, authority_requests.authority_request, name="authority_request"),
    path(f"{_REQUEST}assign/", authority_requests.assign, name="assign_authority_request"),
    path(f"{_REQUEST}let-in/", authority_requests.let_in, name="let_in_authority_request"),
    path(f"{_REQUEST}prolong/", authority_requests.prolong, name="prolong_authority_request"),
    path(f"{_REQUEST}reopen/", authority_requests.reopen, name="reopen_authority_request"),
    path(f"{_REQUEST}reply/", authority_requests.reply, name="reply_authority_request"),
    path(f"{_REQUEST}close/", authority_requests.close, name="close_authority_request"),
    path(f"{_REQUEST}questions/new/", authority_requests.ask, name="new_authority_question"),
    path(_QUESTION, authority_requests.question, name="authority_question"),
    path(f"{_QUESTION}answer/", authority_requests.answer_question, name="answer_authority_question"),
    path("duties/releases/", releases.release_list, name="releases"),
    path("duties/releases/new/", releases.choose, name="new_release"),
    path("duties/releases/new/<slug:regime>/", releases.new, name="new_release_for"),
    path(_RELEASE, releases.release, name="release"),
    path(f"{_RELEASE}give/", releases.give, name="give_release"),
    path(f"{_RELEASE}refuse/", releases.refuse, name="refuse_release"),
    path(f"{_RELEASE}take-back/", releases.take_back, name="take_back_release"),
    path(f"{_RELEASE}revoke/", releases.revoke, name="revoke_release"),
    path("duties/offers/<uuid:uuid>/accept/", releases.accept, name="accept_offer"),
    path("settings/calendar/", feeds.feeds, name="feeds"),
    path("settings/calendar/new/", feeds.new, name="new_feed"),
    path("settings/calendar/<uuid:uuid>/revoke/", feeds.revoke, name="revoke_feed"),
    path("feeds/<str:text>.ics", feeds.calendar, name="feed"),
]  # fmt: skip

OBJECT_PAGES: dict[str, str] = {
    "authority_question": "compliance:authority_question",
    "authority_request": "compliance:authority_request",
    "duty": "compliance:duty",
    "occurrence": "compliance:occurrence",
    "release": "compliance:release",
}
