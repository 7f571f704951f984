"""One of everything, made as people make it: for tests that open every page."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.test import override_settings
from pypdf import PdfWriter

from assessments import queries as assessed
from assessments.models import Authorisation
from assessments.scanner.contract import Family, Prompt
from assessments.services import campaign, gate, waiver
from assessments.services import suite as suites
from assessments.services import watchlist as watchlists
from compliance.actors import Actor
from compliance.audit import sequencer
from compliance.clock import now
from compliance.models import ClockInstance, Document, Evidence, Report, User
from compliance.permissions import Role
from compliance.services import (
    account,
    audit_export,
    authority_request,
    document,
    dossier,
    duty,
    registry,
    release,
    report,
    submission,
)
from incidents.models import Alert, Event
from incidents.services import grounds, hold, incident, paging, review, rollback, rule
from tests import factories
from tests.assessments import results
from tests.incidents import cast
from tests.incidents.services.test_review import RULE

HOSTILE = "send_mail\u202e<script>alert(1)</script>"
GROUNDS = grounds.Grounds(
    harm="Credentials left.",
    awareness="The person on call read the alert.",
    laws="The house serves its own model.",
    regimes={"house-72h": HOSTILE},
)


@dataclass
class Furnished:
    """What there is, by the kind that an address names it with."""

    things: dict[str, Any] = field(default_factory=dict)

    def put(self, thing: Any, kind: str = "") -> Any:
        """Remember one."""
        self.things[kind or thing.kind] = thing
        return thing

    def uuid(self, kind: str) -> UUID:
        """The address of one."""
        found: UUID = self.things[kind].uuid
        return found


@dataclass(frozen=True)
class People:
    """Who acts, as the services see them."""

    ada: Actor
    bo: Actor
    rae: Actor
    cy: Actor
    eve: Actor


def furnish(*, ada: User, bo: User, rae: User, cy: User) -> Furnished:
    """Inventory, proof, a burning canary, its report and its review."""
    asker = account.make("asker@example.org", "Asker", [Role.SAFETY_ENGINEER], by=cast.MAKER)
    who = People(*(account.actor_for(person) for person in (ada, bo, rae, cy, asker)))
    made = Furnished()
    made.put(asker, "person")
    deployment, good, bad = _inventory(made, who)
    _instruments(made, who, good, bad)
    _telemetry(made, deployment)
    _response(made, who, deployment, good, bad)
    _papers(made, who, good)
    _review(made, who)
    _calendar(made, who, rae=rae, ada=ada)
    sequencer.sequence()
    made.put(audit_export.request(by=who.cy), "export")
    return made


def _inventory(made: Furnished, who: People) -> tuple[Any, Any, Any]:
    ai_system = made.put(factories.make_system("Help desk"), "system")
    made.put(ai_system.entity, "entity")
    good, bad = factories.make_version(ai_system), factories.make_version(ai_system)
    made.put(good, "version")
    made.put(good.model, "model")
    for version in (good, bad):
        manifest = factories.make_manifest(
            version, tools=["search_docs"], prompt_sha256s=["a" * 64]
        )
        made.put(manifest, "manifest")
    deployment = made.put(factories.make_deployment(ai_system, environment="canary"), "deployment")
    cast.authorise(deployment, good, who.ada)
    registry.declare_serving(deployment, good, by=cast.MAKER)
    token, _ = account.make_token("Ingest", ["event:ingest"], deployment=deployment, by=who.ada)
    made.put(token, "token")
    return deployment, good, bad


def _instruments(made: Furnished, who: People, good: Any, bad: Any) -> None:
    nasty = results.make_finding("<script>alert(1)</script>\u202e")
    result = results.make_result(
        tests=(results.HIDDEN,), findings=(nasty, results.make_finding()), self_check=results.CHECK
    )
    scan = made.put(results.finished_scan(bad, result), "scan")
    made.put(scan.sae, "sae")
    made.put(scan.watchlist, "watchlist")
    made.put(scan.suite, "suite")
    watchlists.drop(scan.watchlist, {9}, reason="Too loud.", by=who.bo)
    suites.extend(scan.suite, [Prompt("extra", Family.CYBER, HOSTILE)], by=who.bo)
    suites.register(
        "locked", [Prompt("one", Family.CYBER, HOSTILE)], sensitivity=suites.Sensitivity.HAZARDOUS,
        by=who.bo,
    )  # fmt: skip
    results.refused_sae(HOSTILE)
    results.register_sae("Waiting")
    started = made.put(campaign.start(good, "Autumn", scope="Keys.", by=who.bo), "campaign")
    campaign.add_finding(
        started, "Reads aloud", concern="cyber", severity="low", detail="Once.", by=who.bo
    )
    decision = made.put(gate.evaluate(bad, "canary", by=who.eve), "decision")
    asked = waiver.ask(
        decision, "independent_review", reason="They come on Monday.",
        expires_at=now() + timedelta(days=5), by=who.eve,
    )  # fmt: skip
    made.put(asked, "waiver")
    made.put(asked.approval, "approval")
    made.put(Authorisation.objects.latest("pk"), "authorisation")
    made.put(Evidence.objects.filter(version=bad).latest("pk"), "evidence")
    assert assessed.newest_decision(bad, "canary") is not None


def _telemetry(made: Furnished, deployment: Any) -> None:
    spans = [cast.tool_call(1, HOSTILE), cast.tool_call(2, "search_docs")]
    cast.judge(deployment, cast.body(*spans, key=deployment.key))
    made.put(Alert.objects.latest("pk"), "alert")
    made.put(Event.objects.latest("pk"), "event")


def _response(made: Furnished, who: People, deployment: Any, good: Any, bad: Any) -> None:
    found = made.put(cast.opened(deployment, bad), "incident")
    paging.add_shift(
        User.objects.get(pk=who.bo.user_id), rung=1,
        starts_at=now() - timedelta(hours=1), ends_at=now() + timedelta(days=7), by=who.ada,
    )  # fmt: skip
    incident.acknowledge(found, by=who.bo)
    incident.note(found, "Looking at it.", by=who.bo)
    incident.classify(
        found, facts={"aware_at": cast.minutes_ago(5).isoformat()}, limbs=["cyber_breach"],
        serious=True, by_matter=GROUNDS, by=who.rae,
    )  # fmt: skip
    incident.choose(found, choice="emergency", reason="It leaks.", by=who.rae)
    hold.place(found, reason="Before acting.", by=who.bo)
    made.put(rollback.request(found, good, reason="It leaks.", by=who.bo), "rollback")
    made.put(rule.add(RULE, by=who.bo), "rule")


def _papers(made: Furnished, who: People, good: Any) -> None:
    drafted = made.put(Report.objects.order_by("pk").first(), "report")
    made.put(ClockInstance.objects.filter(about_uuid=made.uuid("incident")).first(), "clock")
    unknown = {
        f.id: {"status": "unknown", "why": "Not established yet."} for f in report.missing(drafted)
    }
    report.revise(drafted, unknown, by=who.rae)
    report.submit(drafted, by=who.rae)
    paper = _printed(report.approve(drafted, by=who.ada))
    drafted.refresh_from_db()
    with override_settings(STRATA_TSA_URL="https://tsa.example/"):
        filed = made.put(submission.file(drafted, way="null", by=who.rae), "filing")
    made.put(filed.time_stamps.get(), "time_stamp")
    made.put(paper.pdf, "blob")
    made.put(dossier.annex_iv(good, by=who.ada), "document")


def _printed(asked: Document) -> Document:
    """A blank page in place of the press, which is tried where it lives."""
    claimed = document.claim(asked.pk)
    assert claimed is not None
    writer, out = PdfWriter(), io.BytesIO()
    writer.add_blank_page(width=595, height=842)
    writer.write(out)
    document.finish(claimed, out.getvalue())
    done = Document.objects.get(pk=asked.pk)
    if done.about_kind == "report":
        report.attach(Report.objects.get(uuid=done.about_uuid), done, by=cast.MAKER)
    return done


def _review(made: Furnished, who: People) -> None:
    """An older incident, over and learnt from."""
    deployment, version = cast.watched()
    old = cast.opened(deployment, version)
    incident.acknowledge(old, by=who.bo)
    incident.classify(
        old, facts={"aware_at": now().isoformat()}, limbs=[], serious=False,
        reasons="Nothing left the house.", by=who.rae,
    )  # fmt: skip
    incident.contain(old, how="Switched off.", by=who.bo)
    incident.resolve(old, impact="None.", by=who.bo)
    begun = made.put(review.start(old, by=who.bo), "review")
    review.write(begun, summary="A tool too many.", causes="Nobody looked.", by=who.bo)
    made.put(review.add_rule(begun, title="Watch mail", source=RULE, by=who.bo), "lesson")


def _calendar(made: Furnished, who: People, *, rae: User, ada: User) -> None:
    """A duty with its date, what an authority asks, and an authorisation that waits."""
    charge = duty.Charge(owner=rae, deputy=ada)
    standing = made.put(
        duty.set_own(
            "Restore a backup <script>alert(1)</script>",
            rule={"how": "every", "first": "2027-01-31", "amount": 1, "unit": "month"},
            zone="Europe/Berlin", charge=charge, by=who.rae,
        ),
        "duty",
    )  # fmt: skip
    made.put(standing.occurrences.latest("pk"), "occurrence")
    letter = authority_request.Letter(
        title=f"Logs, please {HOSTILE}", authority=f"Authority {HOSTILE}", reference="7/26",
        received_at=now() - timedelta(days=1), due_at=now() + timedelta(days=9),
    )  # fmt: skip
    asked = made.put(
        authority_request.take_in(letter, questions=(HOSTILE,), owner=rae, by=who.rae),
        "authority_request",
    )
    made.put(asked.questions.latest("pk"), "authority_question")
    scope = release.Scope(("report",), ("initial",), (release.NO_AUTHORITY,))
    made.put(
        release.ask(
            "house-72h", scope=scope, reasons=HOSTILE, expires_at=now() + timedelta(days=30),
            by=who.rae,
        ),
        "release",
    )  # fmt: skip
