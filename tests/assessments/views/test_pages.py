from datetime import timedelta
from decimal import Decimal

import pytest
from django.urls import reverse

from assessments import queries
from assessments.models import Campaign, Scan, Waiver
from assessments.scanner.contract import Progress, ScanFailed, Stage
from assessments.services import campaign, gate, shard
from assessments.services import suite as suites
from compliance import clock, lease
from compliance.actors import system
from compliance.audit import log
from compliance.permissions import Role
from compliance.services import account
from config.env import Price
from tests.assessments.results import (
    HIDDEN,
    claim_shard,
    finish,
    finished_scan,
    make_finding,
    make_result,
    make_sae,
    make_suite,
    make_watchlist,
    request_scan,
    split,
)
from tests.assessments.services.test_gate import attest, proven
from tests.factories import make_deployment, make_version

pytestmark = pytest.mark.django_db
MAKER = system("tests")


def at(name, *args):
    return reverse(f"assessments:{name}", args=args)


def words(answer):
    return " ".join(answer.content.decode().split())


@pytest.fixture
def done():
    return finished_scan(make_version(), make_result(tests=(HIDDEN,)))


def every_page(done):
    decision = queries.newest_decision(done.version, "canary")
    opened = campaign.start(done.version, "Autumn", scope="Keys.", by=_engineer())
    return [
        at("overview"), at("methodology"), at("scans"), at("scan", done.uuid), at("instruments"),
        at("sae", done.sae.uuid), at("watchlist", done.watchlist.uuid), at("suite", done.suite.uuid),
        at("campaigns"), at("campaign", opened.uuid), at("gate", done.version.uuid, "canary"),
        at("decision", decision.uuid),
    ]  # fmt: skip


def _engineer():
    person = account.make("eve@example.org", "Asker", [Role.SAFETY_ENGINEER], by=MAKER)
    return account.actor_for(person)


def test_every_page_opens_without_inline_style_or_script(client_as, ada, bo, cy, done):
    pages = every_page(done)
    for person in (ada, bo, cy):
        for address in pages:
            answer = client_as(person).get(address)
            assert answer.status_code == 200, address
            html = answer.content.decode()
            assert " style=" not in html, address
            assert "<script>" not in html, address
            assert html.count("<h1") == 1, address


def test_the_outsider_finds_no_object_here(client_as, dee, done):
    client = client_as(dee)
    for address in every_page(done)[3:]:
        if address in {at("instruments"), at("campaigns")}:
            continue
        assert client.get(address).status_code == 404, address
    assert client.get(at("scans")).status_code == 403
    assert str(done.version) not in words(client.get(at("overview")))


def test_nobody_reads_without_signing_in(client, done):
    answer = client.get(at("scan", done.uuid))
    assert (answer.status_code, "login" in answer.url) == (302, True)


def test_the_scan_page_gives_the_answer_then_the_limits(client_as, bo, done):
    html = words(client_as(bo).get(at("scan", done.uuid)))
    assert (
        html.index("What it says")
        < html.index("By concern")
        < html.index("What could have been missed")
    )
    assert "weaker under evaluation" in html
    assert "8.0%" in html
    assert done.result_sha256 in html


def test_hostile_tokens_are_shown_harmless(client_as, bo):
    nasty = make_result(findings=(make_finding("<script>alert(1)</script>"),))
    html = client_as(bo).get(at("scan", finished_scan(make_version(), nasty).uuid)).content.decode()
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)" in html


def test_tokens_of_a_hidden_suite_are_dots_until_somebody_says_why(client_as, bo, cy, done, root):
    suites.classify(done.suite, suites.Sensitivity.HAZARDOUS, reason="It tells how.", by=root)
    for person in (bo, cy):
        page = words(client_as(person).get(at("scan", done.uuid)))
        assert "sk-4f9a" not in page
        assert "The prompts of this suite are hidden" in page
        assert "7.5" in page
    address = at("scan_reveal", done.uuid)
    assert client_as(bo).post(address, {"reason": ""}).status_code == 422
    assert "suite.reveal" not in [one.action for one in log.entries(objects=[done.suite.uuid])]
    answer = client_as(bo).post(address, {"reason": "Triage."})
    assert "sk-4f9a" in words(answer)
    assert answer["Cache-Control"] == "no-store"
    (line,) = [o for o in log.entries(objects=[done.suite.uuid]) if o.action == "suite.reveal"]
    assert (line.note, line.facts["shown_in"]) == ("Triage.", done.ref)
    assert client_as(cy).post(address, {"reason": "Curious."}).status_code == 403


def test_a_person_asks_for_a_scan_and_cancels_it(client_as, bo):
    sae = make_sae()
    version, watchlist, suite = make_version(), make_watchlist(sae), make_suite()
    client = client_as(bo)
    form = words(client.get(f"{at('scan_request')}?version={version.uuid}"))
    assert f'value="{version.uuid}" selected' in form
    answer = client.post(
        at("scan_request"),
        {"version": version.uuid, "watchlists": [watchlist.uuid], "suite": suite.uuid, "seed": 7},
    )
    made = Scan.objects.get()
    assert answer.url == at("scan", made.uuid)
    assert (made.seed, made.sae_id, made.requested_by_id) == (7, sae.pk, bo.pk)
    assert "waiting for a scan worker" in words(client.get(answer.url))
    client.post(at("scan_cancel", made.uuid))
    made.refresh_from_db()
    assert made.state == "cancelled"


def test_scans_that_were_asked_together_point_at_each_other(client_as, bo):
    lists = [make_watchlist(make_sae()) for _ in range(2)]
    asked = {
        "version": make_version().uuid, "watchlists": [each.uuid for each in lists],
        "suite": make_suite().uuid, "seed": 0,
    }  # fmt: skip
    client = client_as(bo)
    answer = client.post(at("scan_request"), asked)
    first, second = Scan.objects.order_by("pk")
    assert answer.url == at("scan", first.uuid)
    html = words(client.get(answer.url))
    assert "Asked together" in html
    assert at("scan", second.uuid) in html
    finish(first)
    assert at("scan", second.uuid) in words(client.get(answer.url))


def test_progress_is_polled_and_the_page_reloads_when_it_is_over(client_as, bo):
    asked = request_scan(make_version())
    client = client_as(bo)
    address = f"{at('scan_progress', asked.uuid)}?shards=1"
    assert f'hx-get="{address}"' in words(client.get(at("scan", asked.uuid)))
    answer = client.get(address, headers={"HX-Request": "true"})
    assert 'hx-trigger="every 2s"' in words(answer)
    assert "time left: not known yet" in words(answer)
    assert "not split into shards yet" in words(answer)
    assert "HX-Refresh" not in answer
    finish(asked)
    answer = client.get(address, headers={"HX-Request": "true"})
    assert answer["HX-Refresh"] == "true"


def test_a_running_scan_says_how_far_it_is_and_who_reads(client_as, bo, settings):
    settings.STRATA_SCAN_COST_PER_HOUR = Price(Decimal(360), "EUR")
    asked = request_scan(make_version())
    split(asked)
    claimed = claim_shard(asked, 1)
    shard.beat(claimed, Progress(Stage.READING, 4, 5, 310.0), seconds=8.0)
    client = client_as(bo)
    answer = words(client.get(f"{at('scan_progress', asked.uuid)}?shards=1"))
    for said in ("4 of 10 prompts", "310 tokens a second", "about 37 s left", lease.me()):
        assert said in answer
    assert "device time: 8 s so far, about 45 s in all" in answer
    assert "cost: 0.80 EUR so far, about 4.50 EUR in all" in answer
    assert f'id="shards-{asked.uuid}" hx-swap-oob="true"' in answer
    assert "hx-swap-oob" not in words(client.get(at("scan_progress", asked.uuid)))
    assert "4 of 10 prompts" in words(client.get(at("overview")))


def test_a_failed_scan_is_tried_again_from_its_page(client_as, bo):
    asked = request_scan(make_version())
    split(asked)
    shard.fail(claim_shard(asked, 2), ScanFailed("digest differs", permanent=True))
    client = client_as(bo)
    page = words(client.get(at("scan", asked.uuid)))
    assert "digest differs" in page
    assert "Try again" in page
    client.post(at("scan_retry", asked.uuid))
    asked.refresh_from_db()
    assert asked.state == "queued"


def test_an_auditor_may_not_ask_for_a_scan(client_as, cy):
    assert client_as(cy).get(at("scan_request")).status_code == 403


def test_two_versions_side_by_side(client_as, bo, done):
    other = finished_scan(make_version(), make_result(deployment=0.5), like=done)
    html = words(client_as(bo).get(at("compare", done.uuid, other.uuid)))
    assert "+25.0 points" in html
    assert html.index("Coverage of both versions") < html.index("Variance unexplained")
    assert f"cyber, {other.version.name}" in html
    assert str(done.version) in html
    assert str(other.version) in html
    stranger = finished_scan(make_version())
    assert client_as(bo).get(at("compare", done.uuid, stranger.uuid)).status_code == 404


def test_the_gate_says_what_is_missing_and_where_to_supply_it(client_as, bo):
    version = make_version()
    client = client_as(bo)
    assert "has not been asked" in words(client.get(at("gate", version.uuid, "production")))
    assert client.post(at("gate_ask", version.uuid, "production")).status_code == 302
    html = words(client.get(at("gate", version.uuid, "production")))
    assert "NO-GO" in html
    assert f"{at('scan_request')}?version={version.uuid}" in html
    assert f"{at('campaign_new')}?version={version.uuid}" in html
    assert "cannot be waived here" in html
    assert client.get(at("gate", version.uuid, "moon")).status_code == 404


def test_a_waiver_walks_from_the_form_to_the_release(client_as, ada, bo):
    version = proven(without=["independent_review"])
    deployment = make_deployment(version.model.system, environment="canary")
    decision = gate.evaluate(version, "canary", by=MAKER)
    asker = account.make("eve@example.org", "Asker", [Role.SAFETY_ENGINEER], by=MAKER)
    ask_url = at("waiver_ask", decision.uuid, "independent_review")
    late = {"reason": "They come.", "expires_at": _local(clock.now() + timedelta(days=40))}
    assert "within 14 days" in words(client_as(asker).post(ask_url, late))
    good = {**late, "expires_at": _local(clock.now() + timedelta(days=5))}
    client_as(asker).post(ask_url, good)
    waiver = Waiver.objects.get()
    assert "Grant the waiver" not in words(client_as(asker).get(at("waiver", waiver.uuid)))
    assert client_as(asker).post(at("waiver_approve", waiver.uuid)).status_code == 403
    again = account.make("ada+second@example.org", "Ada", [Role.GOVERNANCE_LEAD], by=MAKER)
    for person in (ada, bo):
        assert "Grant the waiver" in words(client_as(person).get(at("waiver", waiver.uuid)))
        client_as(person).post(at("waiver_approve", waiver.uuid))
        if person == ada:
            html = words(client_as(again).get(at("waiver", waiver.uuid)))
            assert "by another account: both share a mailbox" in html
            assert "Grant the waiver" not in html
            assert client_as(again).post(at("waiver_approve", waiver.uuid)).status_code == 403
    html = words(client_as(ada).get(at("gate", version.uuid, "canary")))
    assert "CONDITIONAL" in html
    assert f"Authorise for {deployment}" in html
    client_as(ada).post(
        at("authorise", version.uuid, deployment.uuid), {"reason": "Watched closely."}
    )
    assert queries.covering(version, deployment) is not None
    assert "given by Ada" in words(client_as(ada).get(at("gate", version.uuid, "canary")))


def _local(moment):
    return f"{moment:%Y-%m-%dT%H:%M}"


def test_a_waiver_is_rejected_with_a_reason(client_as, ada, bo):
    version = proven(without=["independent_review"])
    decision = gate.evaluate(version, "canary", by=MAKER)
    client_as(bo).post(
        at("waiver_ask", decision.uuid, "independent_review"),
        {"reason": "They come.", "expires_at": _local(clock.now() + timedelta(days=5))},
    )
    waiver = Waiver.objects.get()
    client_as(ada).post(at("waiver_reject", waiver.uuid), {"reason": ""})
    waiver.refresh_from_db()
    assert waiver.state == "asked"
    client_as(ada).post(at("waiver_reject", waiver.uuid), {"reason": "Wait for them."})
    waiver.refresh_from_db()
    assert waiver.state == "rejected"


def test_an_authorisation_ends_with_a_reason(client_as, ada):
    version = proven()
    deployment = make_deployment(version.model.system)
    client = client_as(ada)
    client.post(at("gate_ask", version.uuid, "production"))
    client.post(at("authorise", version.uuid, deployment.uuid), {"reason": "All met."})
    given = queries.covering(version, deployment)
    client.post(at("authorisation_end", given.uuid), {"reason": "Replaced."})
    assert queries.covering(version, deployment) is None


def test_a_changed_basis_is_said_on_the_page(client_as, ada):
    version = proven()
    gate.evaluate(version, "production", by=MAKER)
    attest(version, "rota", "not_met")
    assert "changed after this decision" in words(
        client_as(ada).get(at("gate", version.uuid, "production"))
    )


def test_a_campaign_from_opening_to_evidence(client_as, bo, dee):
    version = make_version()
    client = client_as(bo)
    answer = client.post(
        at("campaign_new"), {"version": version.uuid, "name": "Autumn", "scope": "Keys."}
    )
    made = Campaign.objects.get()
    assert answer.url == at("campaign", made.uuid)
    assert "Nobody signs in" in words(
        client.post(at("campaign_invite", made.uuid), {"email": "x@example.org"})
    )
    client.post(at("campaign_invite", made.uuid), {"email": "dee@example.org"})
    guest = client_as(dee)
    page = words(guest.get(at("campaign", made.uuid)))
    assert "Add the finding" in page
    assert "Close and attest" not in page
    guest.post(
        at("campaign_finding", made.uuid),
        {"title": "Key leaks", "concern": "cyber", "severity": "high", "detail": "Ask twice."},
    )
    client.post(at("campaign_close", made.uuid), {"n_attempts": 30, "conclusion": "It leaks."})
    page = words(client.get(at("campaign", made.uuid)))
    assert "It leaks." in page
    assert "1 findings of severity high or critical" in page
