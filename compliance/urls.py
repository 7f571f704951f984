"""The ground floor's addresses. Object pages are named by uuid."""

from __future__ import annotations

from django.urls import path

from compliance import urls_calendar, urls_filing, urls_papers
from compliance.views import (
    approvals,
    deployments,
    evidence,
    facts,
    inventory,
    people,
    settings,
    versions,
)

app_name = "compliance"

_ENTITY = "inventory/entities/<uuid:uuid>/"
_SYSTEM = "inventory/systems/<uuid:uuid>/"
_MODEL = "inventory/models/<uuid:uuid>/"
_VERSION = "inventory/versions/<uuid:uuid>/"
_MANIFEST = "inventory/manifests/<uuid:uuid>/"
_DEPLOYMENT = "inventory/deployments/<uuid:uuid>/"
_APPROVAL = "approvals/<uuid:uuid>/"
_PERSON = "settings/people/<uuid:uuid>/"
_TOKEN = "settings/tokens/<uuid:uuid>/"  # noqa: S105 - an address

urlpatterns = [
    path("inventory/", inventory.inventory, name="inventory"),
    path("inventory/entities/new/", inventory.new_entity, name="new_entity"),
    path(_ENTITY, inventory.entity, name="entity"),
    path(f"{_ENTITY}facts/", facts.facts, {"kind": "entity"}, name="entity_facts"),
    path(f"{_ENTITY}facts/edit/", facts.edit, {"kind": "entity"}, name="edit_entity_facts"),
    path("inventory/systems/new/", inventory.new_system, name="new_system"),
    path(_SYSTEM, inventory.system, name="system"),
    path(f"{_SYSTEM}facts/", facts.facts, {"kind": "system"}, name="system_facts"),
    path(f"{_SYSTEM}facts/edit/", facts.edit, {"kind": "system"}, name="edit_system_facts"),
    path(f"{_SYSTEM}models/new/", inventory.new_model, name="new_model"),
    path(f"{_SYSTEM}deployments/new/", deployments.new_deployment, name="new_deployment"),
    path(_MODEL, inventory.model, name="model"),
    path(f"{_MODEL}facts/", facts.facts, {"kind": "model"}, name="model_facts"),
    path(f"{_MODEL}facts/edit/", facts.edit, {"kind": "model"}, name="edit_model_facts"),
    path(f"{_MODEL}versions/new/", versions.new_version, name="new_version"),
    path(_VERSION, versions.version, name="version"),
    path(f"{_VERSION}retire", versions.retire, name="retire_version"),
    path(f"{_VERSION}manifests/new/", versions.new_manifest, name="new_manifest"),
    path(f"{_VERSION}evidence/new/", evidence.attest, name="attest"),
    path(f"{_VERSION}<slug:tab>/", versions.version, name="version_tab"),
    path(_MANIFEST, versions.manifest, name="manifest"),
    path(f"{_MANIFEST}ask", versions.ask_second, name="ask_second"),
    path(_DEPLOYMENT, deployments.deployment, name="deployment"),
    path(f"{_DEPLOYMENT}serving/", deployments.declare_serving, name="declare_serving"),
    path(f"{_DEPLOYMENT}end", deployments.end, name="end_deployment"),
    path("inventory/evidence/<uuid:uuid>/", evidence.evidence, name="evidence"),
    path("approvals/", approvals.inbox, name="approvals"),
    path(_APPROVAL, approvals.approval_page, name="approval"),
    path(f"{_APPROVAL}give", approvals.give, name="give_approval"),
    path(f"{_APPROVAL}refuse", approvals.refuse, name="refuse_approval"),
    path("settings/", settings.settings, name="settings"),
    path("settings/profile/", settings.profile, name="profile"),
    path("settings/zone", settings.zone, name="zone"),
    path("settings/people/", people.people, name="people"),
    path("settings/people/new/", people.new_person, name="new_person"),
    path(_PERSON, people.person, name="person"),
    path(f"{_PERSON}roles", people.set_roles, name="set_roles"),
    path("settings/tokens/", people.tokens, name="tokens"),
    path("settings/tokens/new/", people.new_token, name="new_token"),
    path(_TOKEN, people.token, name="token"),
    path(f"{_TOKEN}revoke", people.revoke, name="revoke_token"),
    *urls_calendar.urlpatterns,
    *urls_papers.urlpatterns,
    *urls_filing.urlpatterns,
]

# What the roof resolves: /r/<kind>/<uuid>.
OBJECT_PAGES = {
    "approval": "compliance:approval",
    "deployment": "compliance:deployment",
    "entity": "compliance:entity",
    "evidence": "compliance:evidence",
    "manifest": "compliance:manifest",
    "model": "compliance:model",
    "person": "compliance:person",
    "system": "compliance:system",
    "token": "compliance:token",
    "version": "compliance:version",
    **urls_calendar.OBJECT_PAGES,
    **urls_papers.OBJECT_PAGES,
    **urls_filing.OBJECT_PAGES,
}
