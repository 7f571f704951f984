"""What several walks begin with, done by people through the pages."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from compliance.clock import now
from tests.walks.visitor import OK, Page, Visitor

TOOLS = "search_docs\nread_ticket"


@dataclass(frozen=True)
class Version:
    """A registered version, as its page tells."""

    path: str
    name: str

    @property
    def uuid(self) -> str:
        """The last part of its address."""
        return self.path.rstrip("/").rpartition("/")[2]


def uuid_of(page: Page) -> str:
    """The uuid in the address one ended up at."""
    found = re.findall(r"[0-9a-f]{8}-[0-9a-f-]{27}", page.path)
    assert page.status == OK, f"{page.url}: {page.status} {page.text[:1500]}"
    assert found, f"{page.url}: {page.text[:1500]}"
    return str(found[-1])


def register_model(who: Visitor, system: str, name: str) -> str:
    """A line of versions; its path."""
    page = who.fill(f"/inventory/systems/{system}/models/new/", name=name, licence="Apache-2.0")
    return f"/inventory/models/{uuid_of(page)}/"


def register_version(who: Visitor, model: str, name: str, folder: Path) -> Version:
    """A version out of a folder, with a manifest of two tools."""
    page = who.fill(f"{model}versions/new/", name=name, folder=folder, origin="Made for a walk.")
    version = Version(f"/inventory/versions/{uuid_of(page)}/", name)
    manifest = who.fill(
        f"{version.path}manifests/new/", tools=TOOLS, data_scopes="docs/*", prompt_sha256s="a" * 64
    )
    uuid_of(manifest)
    return version


def register_deployment(
    who: Visitor, system: str, key: str, environment: str, **target: str
) -> str:
    """A place to serve; its path."""
    page = who.fill(
        f"/inventory/systems/{system}/deployments/new/", key=key, environment=environment, **target
    )
    return f"/inventory/deployments/{uuid_of(page)}/"


def declare_serving(who: Visitor, deployment: str, version: Version) -> None:
    """Say what serves there."""
    page = who.fill(f"{deployment}serving/", version=version.uuid)
    assert page.path == deployment, page.text[:800]


def token_for(who: Visitor, deployment: str) -> str:
    """A telemetry token's text, read from the one page that shows it."""
    page = who.fill(
        "/settings/tokens/new/",
        label=f"telemetry {deployment[-9:-1]}",
        scopes=["event:ingest"],
        deployment=deployment.rstrip("/").rpartition("/")[2],
    )
    found = re.search(r'value="(strata_[^"]+)"', page.html)
    assert found, page.text[:1500]
    return found[1]


def attest(who: Visitor, version: Version, what: str) -> None:
    """A person vouches for one kind of evidence until next week."""
    until = (now() + timedelta(days=7)).date().isoformat()
    page = who.fill(
        f"{version.path}evidence/new/",
        what=what,
        status="met",
        summary="Looked at for this walk.",
        reason="Written down by the person who looked.",
        valid_until=until,
    )
    uuid_of(page)


def alerts_of(who: Visitor, key: str) -> list[Page]:
    """The pages of all alerts of a deployment, found by its key."""
    listed = who.open(f"/observe/alerts/?q={key}")
    found = re.findall(r'href="(/observe/alerts/[0-9a-f-]{36}/)"', listed.html)
    return [who.open(path) for path in dict.fromkeys(found)]


def incident_of(who: Visitor, key: str) -> str:
    """The path of the incident that an alert of a deployment opened by itself."""

    def opened(_page: Page) -> list[str]:
        return [
            path for alert in alerts_of(who, key) for path in alert.links("/respond/incidents/")
        ]

    listed = who.wait(f"/observe/alerts/?q={key}", lambda page: bool(opened(page)))
    return opened(listed)[0]
