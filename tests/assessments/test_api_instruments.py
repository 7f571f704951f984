import pytest

from assessments.models import PromptSuite, Sae, Scan, WatchList
from assessments.scanner.contract import Family, Prompt
from assessments.services import suite as suites
from assessments.services import waiting
from assessments.services.suite import Sensitivity
from compliance.audit import log
from compliance.permissions import Permission
from compliance.services import subject
from tests.assessments.results import (
    HIDDEN,
    finished_scan,
    make_result,
    make_sae,
    make_suite,
    make_watchlist,
    register_sae,
    request_scan,
    sae_files,
)
from tests.assessments.test_api import bearer, post
from tests.factories import make_version

pytestmark = pytest.mark.django_db
API = "/api/v1"
LATENT = {"index": 3, "concern": "cyber", "why": "fires on keys", "threshold": 1.5}
PROMPT = {"id": "a", "family": "cyber", "text": "Rotate the key."}


@pytest.fixture
def writer():
    return bearer(Permission.WATCHLIST_WRITE, Permission.SCAN_READ, Permission.INVENTORY_READ)


@pytest.fixture
def reader():
    return bearer(Permission.SCAN_READ)


@pytest.fixture
def folder(tmp_path, settings):
    settings.STRATA_SAE_ROOT = tmp_path
    return sae_files(tmp_path / "mine")


def test_an_autoencoder_is_registered_once_for_a_key(client, writer, folder):
    version = make_version()
    body = {"name": "Mine", "path": "mine", "made_for": str(version.uuid)}
    first = post(client, f"{API}/saes", body, writer, "k1")
    again = post(client, f"{API}/saes", body, writer, "k1")
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    made = Sae.objects.get()
    assert (first.json()["uuid"], first.json()["state"]) == (str(made.uuid), "waiting")
    assert made.made_for == version
    assert "not been checked yet" in first.json()["hindrance"]
    assert post(client, f"{API}/saes", {**body, "name": "X"}, writer, "k1").status_code == 422


@pytest.mark.parametrize("path", ["../x", "/etc", "nothing", "mine/../../x"])
def test_paths_outside_the_root_are_refused(client, writer, folder, path):
    answer = post(client, f"{API}/saes", {"name": "Mine", "path": path}, writer, "k")
    assert answer.status_code == 422
    assert "below" in answer.json()["detail"] or "nothing at" in answer.json()["detail"]
    assert not Sae.objects.exists()


def test_an_autoencoder_says_what_it_is_and_whether_it_can_be_used(client, reader):
    made = make_sae(not_evidence="depends on the prompts beside it", doubts=("norm unknown",))
    said = client.get(f"{API}/saes/{made.uuid}?wait=30", headers=reader).json()
    assert (said["state"], said["d_sae"], said["sha256"]) == ("ready", 64, made.sha256)
    assert said["doubts"] == ["norm unknown"]
    assert "is no evidence" in said["hindrance"]
    listed = client.get(f"{API}/saes", headers=reader).json()
    assert [row["uuid"] for row in listed["items"]] == [str(made.uuid)]


def test_a_watch_list_is_registered_and_read(client, writer):
    sae = make_sae()
    body = {"sae": str(sae.uuid), "name": "house", "latents": [LATENT], "reason": "First."}
    answer = post(client, f"{API}/watchlists", body, writer, "k")
    made = WatchList.objects.get()
    assert answer.status_code == 201
    assert answer.json()["sha256"] == made.sha256
    assert post(client, f"{API}/watchlists", body, writer, "k").json() == answer.json()
    said = client.get(f"{API}/watchlists/{made.uuid}", headers=writer).json()
    assert said["latents"] == made.latents
    assert said["sae_sha256"] == sae.sha256
    listed = client.get(f"{API}/watchlists?name=house", headers=writer).json()["items"]
    assert [row["number"] for row in listed] == [1]
    assert client.get(f"{API}/watchlists?name=other", headers=writer).json()["items"] == []


def test_mistakes_in_a_watch_list_are_named(client, writer):
    body = {"sae": str(make_sae().uuid), "name": "house", "latents": [{**LATENT, "threshold": 0}]}
    answer = post(client, f"{API}/watchlists", body, writer, "k")
    assert answer.status_code == 422
    assert "(index 3), threshold: expected a number above zero" in answer.json()["detail"]
    waiting_one = {**body, "sae": str(register_sae().uuid), "latents": [LATENT]}
    assert (
        "is not ready"
        in post(client, f"{API}/watchlists", waiting_one, writer, "l").json()["detail"]
    )


def test_a_suite_is_registered_and_read(client, writer):
    body = {"name": "pairs", "sensitivity": "sensitive", "prompts": [PROMPT]}
    answer = post(client, f"{API}/suites", body, writer, "k")
    made = PromptSuite.objects.get()
    assert (answer.status_code, answer.json()["sensitivity"]) == (201, "sensitive")
    said = client.get(f"{API}/suites/{made.uuid}", headers=writer).json()
    assert said["prompts"][0]["text"] == "Rotate the key."
    assert "prompts" not in client.get(f"{API}/suites", headers=writer).json()["items"][0]
    bad = {**body, "prompts": [PROMPT, {**PROMPT, "family": "theft"}]}
    answer = post(client, f"{API}/suites", bad, writer, "l")
    assert "Line 2, family: expected one of" in answer.json()["detail"]
    assert post(client, f"{API}/suites", {**body, "prompts": []}, writer, "m").status_code == 422


def test_hidden_prompts_are_read_for_a_reason_by_who_may_scan(client, reader, root):
    made = suites.register(
        "locked", [Prompt("a", Family.CYBER, "How to melt it")],
        sensitivity=Sensitivity.HAZARDOUS, by=root,
    )  # fmt: skip
    address = f"{API}/suites/{made.uuid}"
    assert client.get(address, headers=reader).json()["prompts"] is None
    assert post(client, f"{address}/reveal", {"reason": "x"}, reader, "k").status_code == 403
    scanner = bearer(Permission.SCAN_READ, Permission.SCAN_REQUEST)
    assert post(client, f"{address}/reveal", {"reason": " "}, scanner, "k").status_code == 422
    said = post(client, f"{address}/reveal", {"reason": "To run it."}, scanner, "k").json()
    assert said["prompts"][0]["text"] == "How to melt it"
    assert "suite.reveal" in [line.action for line in log.entries(objects=[made.uuid])]


def test_a_token_without_the_scope_writes_nothing(client, reader, folder):
    sae = make_sae()
    calls = {
        "saes": {"name": "Mine", "path": "mine"},
        "watchlists": {"sae": str(sae.uuid), "name": "x", "latents": [LATENT]},
        "suites": {"name": "x", "prompts": [PROMPT]},
    }
    for name, body in calls.items():
        assert post(client, f"{API}/{name}", body, reader, name).status_code == 403, name
    stranger = bearer(Permission.EVENT_READ)
    for name in calls:
        assert client.get(f"{API}/{name}", headers=stranger).status_code == 403, name
    assert client.get(f"{API}/saes").status_code == 401


def test_restricted_things_do_not_exist_for_a_token(client, writer):
    hidden, open_one = make_sae(), make_sae()
    subject.Subject.objects.filter(pk=hidden.subject_id).update(restricted=True)
    listed = client.get(f"{API}/saes", headers=writer).json()["items"]
    assert [row["uuid"] for row in listed] == [str(open_one.uuid)]
    assert client.get(f"{API}/saes/{hidden.uuid}", headers=writer).status_code == 404
    body = {"sae": str(hidden.uuid), "name": "x", "latents": [LATENT]}
    assert post(client, f"{API}/watchlists", body, writer, "k").status_code == 404


def test_a_call_waits_for_a_scan_no_longer_than_it_is_told(client, reader, monkeypatch):
    asked = request_scan(make_version())
    address = f"{API}/scans/{asked.uuid}"
    looks = []

    def worker(_seconds):
        looks.append(1)
        Scan.objects.filter(pk=asked.pk).update(state="failed", problem="the disk was away")

    monkeypatch.setattr(waiting.time, "sleep", worker)
    said = client.get(f"{address}?wait=30", headers=reader).json()
    assert (said["state"], said["is_over"], looks) == ("failed", True, [1])
    assert client.get(f"{address}?wait=31", headers=reader).status_code == 422
    assert client.get(f"{address}?wait=-1", headers=reader).status_code == 422


def test_a_scan_that_is_not_over_in_time_is_told_as_it_is(client, reader):
    asked = request_scan(make_version())
    said = client.get(f"{API}/scans/{asked.uuid}?wait=0.01", headers=reader).json()
    assert (said["state"], said["is_over"]) == ("queued", False)


def test_scans_are_listed_by_version(client, reader):
    asked, other = request_scan(make_version()), request_scan(make_version())
    everything = client.get(f"{API}/scans", headers=reader).json()["items"]
    assert {row["uuid"] for row in everything} == {str(asked.uuid), str(other.uuid)}
    some = client.get(f"{API}/scans?version={asked.version.uuid}", headers=reader).json()["items"]
    assert [row["uuid"] for row in some] == [str(asked.uuid)]


def test_results_are_read_once_there_are_any(client, reader):
    asked = request_scan(make_version())
    assert client.get(f"{API}/scans/{asked.uuid}/results", headers=reader).status_code == 409
    done = finished_scan(make_version(), make_result(tests=(HIDDEN,)))
    said = client.get(f"{API}/scans/{done.uuid}/results", headers=reader).json()
    assert {row["what"]: row["status"] for row in said["evidence"]}["suppression"] == "not_met"
    assert said["tests"][0]["verdict"] == "detected"
    assert said["summaries"][0]["concern"] == "cyber"
    assert said["result_sha256"] == done.result_sha256
    assert said["n_findings"] == 1


def test_findings_of_a_hidden_suite_come_without_words(client, reader, root):
    done = finished_scan(make_version())
    suites.classify(done.suite, Sensitivity.HAZARDOUS, reason="It tells how.", by=root)
    address = f"{API}/scans/{done.uuid}/findings"
    (found,) = client.get(address, headers=reader).json()["items"]
    assert found["activation"] == 7.5
    assert "sk-4f9a" not in str(found)
    scanner = bearer(Permission.SCAN_READ, Permission.SCAN_REQUEST)
    assert "sk-4f9a" in str(client.get(address, headers=scanner).json())


def test_the_same_suite_again_is_the_same_number(client, writer):
    made = make_suite()
    body = {"name": made.name, "prompts": made.prompts}
    assert post(client, f"{API}/suites", body, writer, "k").json()["uuid"] == str(made.uuid)
    watchlist = make_watchlist(make_sae())
    body = {"sae": str(watchlist.sae.uuid), "name": watchlist.name, "latents": watchlist.latents}
    assert post(client, f"{API}/watchlists", body, writer, "l").json()["number"] == 1
