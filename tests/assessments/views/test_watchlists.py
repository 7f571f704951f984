import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from assessments.models import WatchList
from assessments.scanner.contract import Family, WatchedLatent
from assessments.services import watchlist as watchlists
from compliance.audit import log
from tests.assessments.results import make_sae, make_watchlist, register_sae

pytestmark = pytest.mark.django_db
SHARE = {"n_hit": 96, "n": 100, "share": 0.96, "low": 0.9, "high": 0.99, "confidence": 0.95}
LATENT = {"index": 3, "concern": "cyber", "why": "fires on keys", "threshold": 1.5}
RECALL = {"threshold": 1.5, "found": SHARE}
NOISE = {**SHARE, "n_hit": 2, "share": 0.02, "low": 0.0, "high": 0.07}
TOGETHER = {
    "concern": "cyber", "latents": [3], "thresholds": [1.5], "found": SHARE,
    "false_positives": NOISE,
}  # fmt: skip
COUNTED = {**LATENT, "recall": {**RECALL, "together": TOGETHER}}


def at(name, *args):
    return reverse(f"assessments:{name}", args=args)


def words(answer):
    return " ".join(answer.content.decode().split())


def file_of(content):
    text = content if isinstance(content, str) else json.dumps(content)
    return SimpleUploadedFile("list.json", text.encode())


def asked(sae, content, **more):
    return {"sae": str(sae.uuid), "name": "house", "file": file_of(content), "reason": "", **more}


def test_the_empty_list_offers_one_next_step(client_as, bo):
    page = words(client_as(bo).get(at("watchlists")))
    assert "No watch-list is registered" in page
    assert at("watchlist_import") in page


def test_a_list_is_imported_with_its_reason(client_as, bo):
    sae = make_sae()
    client = client_as(bo)
    assert f'value="{sae.uuid}" selected' in words(
        client.get(f"{at('watchlist_import')}?sae={sae.uuid}")
    )
    content = {"sae_sha256": sae.sha256, "latents": [{**COUNTED, "trust": "human"}]}
    answer = client.post(at("watchlist_import"), asked(sae, content, reason="From discovery."))
    made = WatchList.objects.get()
    assert answer.url == at("watchlist", made.uuid)
    assert (made.name, made.number, made.registered_by, made.reason) == (
        "house", 1, bo, "From discovery.",
    )  # fmt: skip
    page = words(client.get(answer.url))
    for said in ("It may signal and clear", "human", "finds 96% (96 of 100; 90% to 99%)"):
        assert said in page


def test_mistakes_are_named_and_nothing_is_lost(client_as, bo):
    sae = make_sae()
    content = [{**LATENT, "threshold": 0, "why": "</textarea><script>alert(1)</script>"}]
    answer = client_as(bo).post(at("watchlist_import"), asked(sae, content, reason="Keep me."))
    page = words(answer)
    assert answer.status_code == 422
    assert "Latent 1 of the file (index 3), threshold" in page
    assert "expected a number above zero, came 0." in page
    assert "&lt;/textarea&gt;&lt;script&gt;" in page, "the text is in the box, to be mended"
    assert "Keep me." in page
    mended = json.dumps([LATENT])
    client_as(bo).post(
        at("watchlist_import"),
        {"sae": str(sae.uuid), "name": "house", "text": mended, "reason": ""},
    )
    assert WatchList.objects.get().latents == [{**LATENT, "evidence": {}}]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"content": {"sae_sha256": "0" * 64, "latents": [LATENT]}}, "made for the autoencoder of digest 000000000000"),
        ({"content": [{**LATENT, "index": 64}]}, "has latents 0 to 63; the list names [64]"),
        ({"content": " "}, "Expected a file or its text"),
    ],
)  # fmt: skip
def test_a_list_that_does_not_fit_is_refused(client_as, bo, change, said):
    answer = client_as(bo).post(at("watchlist_import"), asked(make_sae(), change["content"]))
    assert answer.status_code == 422
    assert said in words(answer)
    assert not WatchList.objects.exists()


def test_only_an_autoencoder_that_is_ready_can_be_chosen(client_as, bo):
    answer = client_as(bo).post(at("watchlist_import"), asked(register_sae(), [LATENT]))
    assert answer.status_code == 422
    assert not WatchList.objects.exists()


def test_a_list_without_recall_says_that_it_clears_nothing(client_as, bo):
    made = make_watchlist(make_sae())
    client = client_as(bo)
    assert "may signal, never clear" in words(client.get(at("watchlists")))
    page = words(client.get(at("watchlist", made.uuid)))
    assert "of no concern is it shown that its latents together find at least 80%" in page
    assert "fires on credentials" in page


def test_recall_at_another_threshold_clears_nothing(client_as, bo, root):
    latent = WatchedLatent.from_json({**LATENT, "recall": {**RECALL, "threshold": 9.0}})
    made = watchlists.register(make_sae(), "x", [latent], by=root)
    page = words(client_as(bo).get(at("watchlist", made.uuid)))
    assert "measured at 9, so it says nothing of this threshold" in page
    assert "may signal, never clear" in page


def test_some_concerns_of_a_list_are_cleared_by_its_silence(client_as, bo, root):
    latents = [
        WatchedLatent.from_json(COUNTED),
        WatchedLatent(5, Family.REFUSAL, "no", 2.0),
    ]
    made = watchlists.register(make_sae(), "x", latents, by=root)
    client = client_as(bo)
    assert "clears 1 of 2 concerns" in words(client.get(at("watchlists")))
    page = words(client.get(at("watchlist", made.uuid)))
    assert "Its silence clears these alone" in page
    assert "of their positive controls: cyber." in page


def test_what_was_counted_together_holds_for_just_these_latents(client_as, bo, root):
    latents = [WatchedLatent.from_json(COUNTED), WatchedLatent(5, Family.CYBER, "ports", 2.0)]
    made = watchlists.register(make_sae(), "x", latents, by=root)
    client = client_as(bo)
    assert "single latents may clear" in words(client.get(at("watchlists")))
    assert "was not counted for just these" in words(client.get(at("watchlist", made.uuid)))


def test_what_fires_on_everything_clears_nothing(client_as, bo, root):
    loud = {**TOGETHER, "false_positives": SHARE}
    latent = WatchedLatent.from_json({**LATENT, "recall": {**RECALL, "together": loud}})
    watchlists.register(make_sae(), "x", [latent], by=root)
    assert "may signal, never clear" in words(client_as(bo).get(at("watchlists")))


def test_a_new_number_drops_what_was_chosen_and_keeps_the_choice_when_the_reason_lacks(
    client_as, bo
):
    made = make_watchlist(make_sae())
    client = client_as(bo)
    address = at("watchlist_revise", made.uuid)
    answer = client.post(address, {"drop": ["9"], "reason": ""})
    assert answer.status_code == 422
    assert 'value="9"' in words(answer)
    assert words(answer).count(" checked") == 1
    assert client.post(address, {"reason": "None."}).status_code == 422
    assert client.post(address, {"drop": ["77"], "reason": "Who?"}).status_code == 422
    answer = client.post(address, {"drop": ["9"], "reason": "Fires on greetings."})
    newer = WatchList.objects.get(number=2)
    assert answer.url == at("watchlist", newer.uuid)
    assert [raw["index"] for raw in newer.latents] == [3]
    assert log.entries(objects=[newer.uuid])[0].note == "Fires on greetings."
    assert "There is a newer one: number 2." in words(client.get(at("watchlist", made.uuid)))


def test_all_numbers_stand_newest_first_with_what_each_changed(client_as, bo, root):
    first = make_watchlist(make_sae())
    (cyber, _) = watchlists.latents_of(first)
    moved = WatchedLatent(cyber.index, cyber.concern, cyber.why, 2.5, cyber.evidence)
    second = watchlists.register(
        first.sae, first.name, [moved, WatchedLatent(7, Family.REFUSAL, "no", 1.0)],
        reason="Louder.", by=root,
    )  # fmt: skip
    client = client_as(bo)
    page = words(client.get(at("watchlist_numbers", first.uuid)))
    assert page.index(f">{second}<") < page.index(f">{first}<", page.index("<tbody>"))
    assert "1 added, 1 dropped, 1 changed" in page
    assert "Louder." in page
    shown = words(client.get(at("watchlist_difference", first.uuid, second.uuid)))
    for said in ("Added latents", "Dropped latents", "Threshold before", ">2<", ">2.5<"):
        assert said in shown


def test_numbers_of_different_autoencoders_are_not_compared(client_as, bo, root):
    first = make_watchlist(make_sae())
    second = watchlists.register(make_sae(), first.name, watchlists.latents_of(first), by=root)
    page = words(client_as(bo).get(at("watchlist_difference", first.uuid, second.uuid)))
    assert "made for different autoencoders" in page


def test_lists_of_different_names_are_not_compared(client_as, bo):
    one, other = make_watchlist(make_sae()), make_watchlist(make_sae())
    assert client_as(bo).get(at("watchlist_difference", one.uuid, other.uuid)).status_code == 404


def test_a_list_leaves_as_a_file_that_can_come_back(client_as, bo):
    made = make_watchlist(make_sae())
    answer = client_as(bo).get(at("watchlist_json", made.uuid))
    assert "attachment" in answer["Content-Disposition"]
    assert answer.json()["latents"] == made.latents


def test_who_reads_may_not_write_and_the_outsider_finds_nothing(client_as, cy, dee):
    made = make_watchlist(make_sae())
    assert client_as(cy).get(at("watchlist", made.uuid)).status_code == 200
    assert client_as(cy).get(at("watchlist_revise", made.uuid)).status_code == 403
    assert client_as(cy).get(at("watchlist_import")).status_code == 403
    client = client_as(dee)
    for name in ("watchlist", "watchlist_numbers", "watchlist_json", "watchlist_revise"):
        assert client.get(at(name, made.uuid)).status_code == 404, name
    assert client.get(at("watchlist_difference", made.uuid, made.uuid)).status_code == 404
    assert client.get(at("watchlists")).status_code == 403
