"""The second floor's addresses. Object pages are named by uuid."""

from __future__ import annotations

from django.urls import path

from incidents.views import alerts, classify, incidents, ingest, observe, reviews, rollbacks, rota

app_name = "incidents"

_INCIDENT = "respond/incidents/<uuid:uuid>/"
_ALERT = "observe/alerts/<uuid:uuid>/"
_ROLLBACK = "respond/rollbacks/<uuid:uuid>/"
_REVIEW = "respond/reviews/<uuid:uuid>/"

urlpatterns = [
    path("v1/traces", ingest.traces, name="traces"),
    path("observe/", observe.observe, name="observe"),
    path("observe/deployments/<uuid:uuid>/", observe.deployment, name="deployment"),
    path("observe/events/<uuid:uuid>/", observe.event_page, name="event"),
    path("observe/rules/", observe.rules, name="rules"),
    path("observe/rules/<uuid:uuid>/", observe.rule_page, name="rule"),
    path("observe/rules/<uuid:uuid>/activate", reviews.activate_rule, name="activate_rule"),
    path("observe/alerts/", alerts.alert_list, name="alerts"),
    path(_ALERT, alerts.alert, name="alert"),
    path(f"{_ALERT}acknowledge", alerts.acknowledge, name="acknowledge_alert"),
    path(f"{_ALERT}open", alerts.open_incident, name="open_from_alert"),
    path(f"{_ALERT}resolve", alerts.resolve, name="resolve_alert"),
    path("respond/", incidents.respond, name="respond"),
    path("respond/open/", incidents.open_new, name="open"),
    path("respond/rota/", rota.rota, name="rota"),
    path("respond/rota/steps", rota.set_step, name="set_step"),
    path("respond/rota/shifts/<uuid:uuid>/remove", rota.remove_shift, name="remove_shift"),
    path(_INCIDENT, incidents.incident, name="incident"),
    path(f"{_INCIDENT}acknowledge", incidents.acknowledge, name="acknowledge"),
    path(f"{_INCIDENT}note", incidents.note, name="note"),
    path(f"{_INCIDENT}classify/", classify.classify, name="classify"),
    path(f"{_INCIDENT}classify/preview", classify.preview, name="preview"),
    path(f"{_INCIDENT}choose", incidents.choose, name="choose"),
    path(f"{_INCIDENT}hold", incidents.place_hold, name="hold"),
    path(f"{_INCIDENT}contain", incidents.contain, name="contain"),
    path(f"{_INCIDENT}rollback", rollbacks.ask, name="ask_rollback"),
    path(f"{_INCIDENT}resolve", incidents.resolve, name="resolve"),
    path(f"{_INCIDENT}reopen", incidents.reopen, name="reopen"),
    path(f"{_INCIDENT}review", incidents.begin_review, name="begin_review"),
    path(f"{_INCIDENT}close", incidents.close, name="close"),
    path("respond/holds/<uuid:uuid>/release", incidents.release_hold, name="release_hold"),
    path(_ROLLBACK, rollbacks.rollback, name="rollback"),
    path(f"{_ROLLBACK}approve", rollbacks.approve, name="approve_rollback"),
    path(f"{_ROLLBACK}reject", rollbacks.reject, name="reject_rollback"),
    path(_REVIEW, reviews.review, name="review"),
    path(f"{_REVIEW}write", reviews.write, name="write_review"),
    path(f"{_REVIEW}rule", reviews.add_rule, name="add_rule"),
    path(f"{_REVIEW}pair", reviews.add_pair, name="add_pair"),
    path(f"{_REVIEW}finish", reviews.finish, name="finish_review"),
    path("respond/lessons/<uuid:uuid>/replay", reviews.replay, name="replay"),
]

# What the roof resolves: /r/<kind>/<uuid>.
OBJECT_PAGES = {
    "alert": "incidents:alert",
    "event": "incidents:event",
    "incident": "incidents:incident",
    "review": "incidents:review",
    "rollback": "incidents:rollback",
    "rule": "incidents:rule",
}
