"""From an empty inventory to a served version with evidence, through the browser's own forms."""

from datetime import timedelta

import pytest

from compliance import clock
from compliance.actors import system
from compliance.forms.inventory import MOST_BYTES_IN_A_REQUEST
from compliance.models import (
    AISystem,
    BehaviourManifest,
    Deployment,
    Evidence,
    LegalEntity,
    ModelVersion,
)
from compliance.services import evidence, registry
from tests import factories

pytestmark = pytest.mark.django_db
DIGEST = "ab" * 32


@pytest.fixture
def browser(client_as, ada):
    return client_as(ada)


@pytest.fixture
def root(tmp_path, settings):
    settings.STRATA_MODEL_ROOTS = [tmp_path / "models"]
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


def folder_with(root, name="m1", data=b"weights"):
    (root / name).mkdir()
    (root / name / "model.safetensors").write_bytes(data)
    return root / name


def test_the_empty_inventory_offers_one_next_step(browser):
    assert "/inventory/entities/new/" in browser.get("/inventory/").content.decode()
    browser.post("/inventory/entities/new/", {"name": "Provider GmbH", "country": "de"})
    assert LegalEntity.objects.get().country == "DE"
    assert "/inventory/systems/new/" in browser.get("/inventory/").content.decode()


def test_a_system_is_registered_with_its_owner(browser, ada):
    browser.post("/inventory/entities/new/", {"name": "Provider GmbH", "country": "DE"})
    answer = browser.post(
        "/inventory/systems/new/",
        {
            "entity": str(LegalEntity.objects.get().uuid),
            "name": "Desk assistant",
            "intended_purpose": "Answers questions of staff.",
            "risk_class": "annex_iii",
            "eu_role": "provider",
            "zone": "Europe/Paris",
            "member_states": "de, fr",
        },
    )
    made = AISystem.objects.get()
    assert answer["Location"] == f"/inventory/systems/{made.uuid}/"
    assert (made.member_states, made.owner, made.zone) == (["DE", "FR"], ada, "Europe/Paris")
    assert "Desk assistant" in browser.get("/inventory/").content.decode()


def test_a_wrong_entry_comes_back_with_what_was_expected(browser):
    answer = browser.post("/inventory/entities/new/", {"name": "X", "country": "D1"})
    assert answer.status_code == 422
    assert "Expected two letters" in answer.content.decode()
    assert not LegalEntity.objects.exists()


def version_page(version):
    return f"/inventory/models/{version.model.uuid}/versions/new/"


def test_a_version_is_what_its_files_hash_to(browser, root):
    first = factories.make_version()
    folder = folder_with(root)
    browser.post(version_page(first), {"name": "2.0.0", "folder": str(folder)})
    made = ModelVersion.objects.get(name="2.0.0")
    assert made.files.get().path == "model.safetensors"
    again = browser.post(version_page(first), {"name": "2.0.1", "folder": str(folder)}, follow=True)
    assert "registered already" in again.content.decode()
    assert not ModelVersion.objects.filter(name="2.0.1").exists()


def test_files_of_a_version_that_is_closed_to_the_reader_do_not_name_it(browser, root):
    hidden = factories.make_version(files={"model.safetensors": b"secret weights"})
    hidden.subject.restricted = True
    hidden.subject.save()
    folder = folder_with(root, data=b"secret weights")
    answer = browser.post(
        version_page(factories.make_version()),
        {"name": "9.9.9", "folder": str(folder)},
        follow=True,
    ).content.decode()
    assert "These files are registered already; nothing was added." in answer
    assert str(hidden) not in answer


@pytest.mark.parametrize("outside", ["/etc", "../..", "/no/such/folder"])
def test_a_folder_outside_the_roots_is_refused_alike_whether_it_exists(browser, root, outside):
    version = factories.make_version()
    answer = browser.post(version_page(version), {"name": "2.0.0", "folder": outside})
    assert answer.status_code == 422
    assert f"Expected a folder below {root}" in answer.content.decode()


def test_a_link_out_of_the_roots_is_followed_and_refused(browser, root, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (root / "sly").symlink_to(elsewhere)
    answer = browser.post(
        version_page(factories.make_version()), {"name": "2.0.0", "folder": str(root / "sly")}
    )
    assert "Expected a folder below" in answer.content.decode()


def test_a_pickle_is_refused_with_what_to_do(browser, root):
    folder = folder_with(root)
    (folder / "pytorch_model.bin").write_bytes(b"code")
    answer = browser.post(
        version_page(factories.make_version()), {"name": "2.0.0", "folder": str(folder)}
    )
    assert answer.status_code == 422
    assert "convert it to safetensors" in answer.content.decode()


def test_files_too_large_for_a_request_name_the_command(browser, root):
    folder = folder_with(root)
    with (folder / "model.safetensors").open("r+b") as sparse:
        sparse.truncate(MOST_BYTES_IN_A_REQUEST + 1)
    version = factories.make_version()
    answer = browser.post(version_page(version), {"name": "2.0.0", "folder": str(folder)})
    assert f"manage.py register_version {version.model.uuid}" in answer.content.decode()


def test_a_manifest_is_declared_and_the_next_one_begins_from_it(browser):
    version = factories.make_version()
    page = f"/inventory/versions/{version.uuid}/manifests/new/"
    entered = {
        "tools": "search_docs\nsend_mail",
        "external_tools": "send_mail",
        "data_scopes": "docs/*",
        "prompt_sha256s": f"sha256:{DIGEST}",
        "rates": "search_docs 120",
    }
    browser.post(page, entered)
    manifest = BehaviourManifest.objects.get()
    assert manifest.tools == ["search_docs", "send_mail"]
    assert (manifest.external_tools, manifest.prompt_sha256s) == (["send_mail"], [DIGEST])
    assert manifest.rates == {"search_docs": 120}
    assert "search_docs 120" in browser.get(page).content.decode()


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("external_tools", "fax", "Not among the tools it may call: fax"),
        ("prompt_sha256s", "abc", "Expected 64 hexadecimal digits"),
        ("rates", "search_docs often", "Expected a tool and a whole number"),
    ],
)
def test_a_manifest_that_does_not_agree_with_itself_is_refused(browser, field, value, said):
    version = factories.make_version()
    answer = browser.post(
        f"/inventory/versions/{version.uuid}/manifests/new/", {"tools": "search_docs", field: value}
    )
    assert answer.status_code == 422
    assert said in answer.content.decode()


def test_a_deployment_hides_the_token_of_its_target(browser):
    system = factories.make_system()
    browser.post(
        f"/inventory/systems/{system.uuid}/deployments/new/",
        {
            "key": "desk-prod",
            "environment": "production",
            "zone": "Europe/Berlin",
            "target_kind": "http",
            "target_url": "http://127.0.0.1:9/serve",
            "target_token": "very-secret",
        },
    )
    made = Deployment.objects.get(key="desk-prod")
    assert made.target_config == {"url": "http://127.0.0.1:9/serve", "token": "very-secret"}
    shown = browser.get(f"/inventory/deployments/{made.uuid}/").content.decode()
    assert "very-secret" not in shown
    assert "127.0.0.1:9" in shown


def test_an_http_target_needs_its_address(browser):
    system = factories.make_system()
    answer = browser.post(
        f"/inventory/systems/{system.uuid}/deployments/new/",
        {"key": "k", "environment": "canary", "zone": "UTC", "target_kind": "http"},
    )
    assert answer.status_code == 422


def test_what_serves_is_declared_and_a_differing_vantage_stands_out(browser, as_actor, ada):
    version = factories.make_version()
    deployment = factories.make_deployment(version.model.system)
    page = f"/inventory/deployments/{deployment.uuid}/"
    browser.post(f"{page}serving/", {"version": str(version.uuid)})
    deployment.refresh_from_db()
    assert deployment.serves == version
    registry.observe_serving(deployment, DIGEST, said_by="telemetry", by=as_actor(ada))
    shown = browser.get(page).content.decode()
    assert "do not agree" in shown
    assert "differs from what is declared" in shown
    vantages = shown.split("<tbody>")[1].split("</tbody>")[0]
    assert vantages.count("<time ") == 2


def test_a_version_of_another_system_cannot_be_declared(browser):
    deployment = factories.make_deployment()
    stranger = factories.make_version()
    answer = browser.post(
        f"/inventory/deployments/{deployment.uuid}/serving/", {"version": str(stranger.uuid)}
    )
    assert answer.status_code == 422
    deployment.refresh_from_db()
    assert deployment.serves is None


def test_ending_a_deployment_asks_for_a_reason(browser):
    deployment = factories.make_deployment()
    page = f"/inventory/deployments/{deployment.uuid}/end"
    browser.post(page, {"reason": ""})
    deployment.refresh_from_db()
    assert deployment.state == "active"
    browser.post(page, {"reason": "Moved to another cluster."})
    deployment.refresh_from_db()
    assert deployment.state == "ended"
    assert browser.post(page, {"reason": "Again."}).status_code == 409
    version = factories.make_version(deployment.system)
    serving = browser.post(
        f"/inventory/deployments/{deployment.uuid}/serving/", {"version": str(version.uuid)}
    )
    assert serving.status_code == 409
    assert "is ended" in serving.content.decode()


def attestation(**changes):
    tomorrow = clock.now() + timedelta(days=1)
    return {
        "what": "rollback_drill",
        "status": "met",
        "summary": "The drill took 4 minutes.",
        "reason": "Run on the canary; notes in the drill book, page 3.",
        "valid_until": tomorrow.date().isoformat(),
        **changes,
    }


def test_a_person_attests_with_a_reason_and_an_end(browser, ada):
    version = factories.make_version()
    browser.post(f"/inventory/versions/{version.uuid}/evidence/new/", attestation())
    made = Evidence.objects.get()
    assert (made.layer, made.source, made.attested_by) == (3, "manual", ada)
    assert made.valid_until > clock.now()
    shown = browser.get(f"/inventory/evidence/{made.uuid}/").content.decode()
    assert "drill book, page 3" in shown
    assert "attested" in shown


def test_what_wears_off_needs_its_end_and_the_end_lies_ahead(browser):
    version = factories.make_version()
    page = f"/inventory/versions/{version.uuid}/evidence/new/"
    assert "wears off" in browser.post(page, attestation(valid_until="")).content.decode()
    assert (
        "not over yet" in browser.post(page, attestation(valid_until="2020-01-01")).content.decode()
    )
    assert not Evidence.objects.exists()


def test_stale_evidence_says_so_and_shows_what_moved(browser):
    version = factories.make_version()
    factories.make_manifest(version)
    browser.post(f"/inventory/versions/{version.uuid}/evidence/new/", attestation())
    factories.make_manifest(version, tools=["another"])
    shown = browser.get(f"/inventory/evidence/{Evidence.objects.get().uuid}/").content.decode()
    assert "stale: what it rests on has changed" in shown
    assert "changed" in shown


def test_hostile_text_is_shown_as_text(browser):
    version = factories.make_version()
    nasty = "<script>alert(1)</script> \u202etxt.exe"
    browser.post(f"/inventory/versions/{version.uuid}/evidence/new/", attestation(reason=nasty))
    shown = browser.get(f"/inventory/evidence/{Evidence.objects.get().uuid}/").content.decode()
    assert "<script>alert(1)" not in shown
    assert "\u202e" not in shown.split("<pre")[0]


def test_a_chart_in_the_payload_is_drawn_and_a_broken_one_is_not(browser):
    version = factories.make_version()
    good = {
        "spec": '{"mark":"bar"}',
        "alt": "Two bars.",
        "table": {"heads": ["a"], "rows": [["1"]]},
    }
    for chart, is_drawn in ((good, True), ({"spec": "{", "alt": "x", "table": {}}, False)):
        made = evidence.attest(
            version, "sae_scan", layer=1, status="met", summary="Nothing found at this sensitivity.",
            payload={"chart": chart}, source="manual", by=system("tests"),
        )  # fmt: skip
        shown = browser.get(f"/inventory/evidence/{made.uuid}/").content.decode()
        assert ("Two bars." in shown) is is_drawn


def test_retiring_needs_a_reason_and_happens_once(browser):
    version = factories.make_version()
    page = f"/inventory/versions/{version.uuid}/retire"
    browser.post(page, {"reason": "Replaced."})
    version.refresh_from_db()
    assert version.state == "retired"
    assert browser.post(page, {"reason": "Again."}).status_code == 409
