from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

import pytest

from assessments import queries as queries_of_scans
from assessments.models import Finding, GateDecision, Scan
from assessments.scanner.contract import ScanFailed
from assessments.services import scan, shard
from compliance import clock, queries
from compliance.audit import log
from compliance.machines import TransitionRefused
from compliance.permissions import NotAllowed
from tests.assessments.results import (
    CHECK,
    COVERAGE,
    HIDDEN,
    MAKER,
    QUIET,
    READER,
    finish,
    finished_scan,
    make_finding,
    make_result,
    make_sae,
    make_suite,
    make_watchlist,
    plans,
    read,
    request_scan,
    split,
)
from tests.factories import make_version

pytestmark = pytest.mark.django_db


def test_a_request_pins_the_instrument_and_is_recorded(bo, as_actor):
    asked = request_scan(make_version(), by=as_actor(bo))
    (line,) = log.entries(objects=[asked.uuid])
    assert (asked.state, line.action) == ("queued", "scan.request")
    assert line.facts["suite_sha256"] == asked.suite.sha256
    assert line.facts["weights_sha256"] == asked.version.weights_sha256


def test_an_outsider_may_not_ask_for_a_scan(dee, as_actor):
    with pytest.raises(NotAllowed, match="scan:request"):
        request_scan(make_version(), by=as_actor(dee))


def test_a_watchlist_of_another_autoencoder_is_refused(root):
    with pytest.raises(scan.ScanError, match="choose one made for"):
        scan.request(
            make_version(),
            sae=make_sae(),
            watchlist=make_watchlist(make_sae()),
            suite=make_suite(),
            by=root,
        )


def test_only_one_worker_gets_a_scan():
    asked = request_scan(make_version())
    claimed = scan.claim(asked.pk)
    assert claimed is not None
    assert claimed.job.model_sha256 == asked.version.weights_sha256
    assert [latent.index for latent in claimed.job.watchlist] == [3, 9]
    assert scan.claim(asked.pk) is None


def test_a_beat_prolongs_the_lease():
    asked = request_scan(make_version())
    claimed = scan.claim(asked.pk)
    at = clock.now() + timedelta(seconds=50)
    with clock.held(at):
        assert scan.beat(claimed)
    assert Scan.objects.get(pk=asked.pk).lease_until == at + timedelta(seconds=60)


def test_only_one_worker_puts_the_parts_together():
    asked = request_scan(make_version())
    split(asked)
    assert scan.claim_merge(asked.pk) is None, "not before everything is read"
    read(asked)
    claimed = scan.claim_merge(asked.pk)
    assert (claimed.attempts, claimed.reader_sha256) == (1, READER)
    assert scan.claim_merge(asked.pk) is None
    assert scan.claim(asked.pk) is None


def test_parts_go_when_they_are_put_together_and_their_digests_stay():
    done = finished_scan(make_version())
    assert [bytes(row.part) for row in done.shards.all()] == [b"", b"", b""]
    lines = log.entries(objects=done.shards.values_list("uuid", flat=True))
    assert [line.action for line in lines] == ["shard.finish"] * 3
    assert lines[1].facts["part_sha256"] == sha256(shard.pack({"number": 1})).hexdigest()


def test_finishing_writes_findings_tests_evidence_and_decisions():
    done = finished_scan(make_version())
    assert (done.state, done.lease_until, len(done.result_sha256)) == ("done", None, 64)
    assert done.findings.get().token == " sk-4f9a"
    assert done.summaries.count() == 2
    assert done.suppression.get().row["minimum_detectable_ratio"] == 1.4
    newest = queries.newest_evidence(done.version)
    assert {what: found.status for what, found in newest.items()} == {
        "sae_scan": "met",
        "suppression": "met",
    }
    assert set(done.version.decisions.values_list("outcome", flat=True)) == {"no_go"}
    assert done.version.decisions.count() == 3


def test_no_evidence_says_safe_and_what_was_missed_is_said():
    done = finished_scan(make_version())
    found, hidden = done.version.evidence.order_by("id")
    for words in (found.summary, hidden.summary):
        assert "safe" not in words.lower()
    assert "at this sensitivity, with this coverage" in found.summary
    assert "8.0% of variance unexplained" in found.summary
    assert "1.4 times" in hidden.summary


def test_evidence_carries_coverage_sensitivity_and_a_chart_with_its_words():
    done = finished_scan(make_version())
    found, hidden = done.version.evidence.order_by("id")
    assert found.payload["coverage"]["fvu"] == "0.08"
    assert hidden.payload["sensitivity"]["cyber"]["minimum_detectable_ratio"] == "1.4"
    for evidence in (found, hidden):
        chart = evidence.payload["chart"]
        assert chart["spec"].startswith("{")
        assert chart["alt"]
        assert chart["table"]["rows"]


def test_suppression_that_was_found_is_not_met():
    done = finished_scan(make_version(), make_result(tests=(HIDDEN,)))
    hidden = queries.newest_evidence(done.version)["suppression"]
    assert hidden.status == "not_met"
    assert "ratio 2.46" in hidden.summary
    decision = done.version.decisions.get(environment="production")
    (reason,) = [r for r in decision.reasons if r["criterion"] == "suppression"]
    assert (reason["verdict"], reason["waivable"]) == ("not_met", False)


def test_too_little_coverage_is_inconclusive_not_met():
    blind = make_result(coverage=replace(COVERAGE, fvu=0.6))
    done = finished_scan(make_version(), blind)
    found = queries.newest_evidence(done.version)["sae_scan"]
    assert found.status == "inconclusive"
    assert "share of variance unexplained 0.6" in found.summary


def test_a_rise_over_the_previous_version_is_not_met():
    base = make_version()
    first = finished_scan(base)
    later = make_version(base.model.system)
    type(later).objects.filter(pk=later.pk).update(previous=base)
    later.refresh_from_db()
    done = finished_scan(later, make_result(deployment=0.9), like=first)
    found = queries.newest_evidence(later)["sae_scan"]
    assert found.status == "not_met"
    assert found.payload["baseline"] == str(first.uuid)
    assert done.state == "done"


def test_tokens_lose_their_control_characters():
    done = finished_scan(make_version(), make_result(findings=(make_finding("\x00\u202ekey\x1b"),)))
    found = Finding.objects.get(scan=done)
    assert found.token == "[U+202E]key"
    assert found.window["tokens"][2] == "[U+202E]key"


def test_a_cancelled_scan_takes_no_result(bo, as_actor):
    asked = request_scan(make_version())
    split(asked)
    read(asked)
    claimed = scan.claim_merge(asked.pk)
    scan.cancel(Scan.objects.get(pk=asked.pk), by=as_actor(bo), note="wrong suite")
    assert not scan.beat(claimed)
    with pytest.raises(TransitionRefused):
        scan.finish(claimed, make_result())
    assert set(asked.shards.values_list("part", flat=True)) == {b""}
    assert not Finding.objects.exists()
    assert not GateDecision.objects.exists()


def test_a_worker_that_lost_its_lease_writes_nothing():
    asked = request_scan(make_version())
    lost = scan.claim(asked.pk)
    Scan.objects.filter(pk=asked.pk).update(state="queued", lease_until=None)
    held = scan.claim(asked.pk)
    with pytest.raises(TransitionRefused, match="somebody else"):
        scan.split(lost, plans(1), reader_sha256=READER)
    scan.split(held, plans(3), reader_sha256=READER)
    assert asked.shards.count() == 4
    read(asked)
    lost = scan.claim_merge(asked.pk)
    Scan.objects.filter(pk=asked.pk).update(state="read", lease_until=None)
    held = scan.claim_merge(asked.pk)
    with pytest.raises(TransitionRefused, match="somebody else"):
        scan.finish(lost, make_result())
    assert scan.finish(held, make_result()).state == "done"


def test_what_could_not_be_put_together_is_tried_again_without_reading_again():
    asked = request_scan(make_version())
    split(asked)
    read(asked)
    error = ScanFailed("the disk was away", permanent=False)
    assert scan.fail(scan.claim_merge(asked.pk), error).state == "read"
    with clock.held(clock.now() + timedelta(minutes=1)):
        assert scan.finish(scan.claim_merge(asked.pk), make_result()).state == "done"


def test_a_passing_failure_is_tried_again_later_and_a_permanent_one_is_not():
    asked = request_scan(make_version())
    again = scan.fail(scan.claim(asked.pk), ScanFailed("the disk was away", permanent=False))
    assert again.state == "queued"
    assert again.next_try_at > clock.now()
    assert scan.claim(asked.pk) is None
    with clock.held(clock.now() + timedelta(minutes=1)):
        ended = scan.fail(scan.claim(asked.pk), ScanFailed("digest differs", permanent=True))
    assert (ended.state, ended.problem) == ("failed", "digest differs")


def test_a_failed_scan_can_be_tried_again_by_a_person(bo, as_actor):
    asked = request_scan(make_version())
    failed = scan.fail(scan.claim(asked.pk), ScanFailed("digest differs", permanent=True))
    assert scan.retry(failed, by=as_actor(bo)).state == "queued"
    assert scan.claim(asked.pk) is not None


def test_the_control_does_not_count_as_a_finding():
    from dataclasses import replace

    moved = replace(HIDDEN, scope="control", key="benign")
    done = finished_scan(make_version(), make_result(tests=(QUIET, moved)))
    assert queries.newest_evidence(done.version)["suppression"].status == "met"


def repeated(first):
    return finish(scan.repeat(first, by=MAKER))


def test_a_scan_that_is_run_again_says_whether_it_agrees():
    first = finished_scan(make_version())
    second = repeated(first)
    assert (second.repeats, second.seed, second.suite) == (first, first.seed, first.suite)
    assert second.agreement["agrees"]
    assert second.agreement["differences"] == []
    (line,) = log.entries(objects=[second.uuid], actions=["scan.finish"])
    assert line.facts["agrees"] is True
    one = queries.newest_evidence(second.version)["sae_scan"]
    assert one.payload["agreement"]["agrees"]
    assert one.payload["repeats"] == str(first.uuid)


def test_a_second_run_that_says_something_else_is_a_disagreement():
    first = finished_scan(make_version())
    second = finish(scan.repeat(first, by=MAKER), make_result(deployment=0.5))
    assert not second.agreement["agrees"]
    assert any("hit_rate: 0.25 then 0.5" in each for each in second.agreement["differences"])
    (line,) = log.entries(objects=[second.uuid], actions=["scan.finish"])
    assert line.facts["agrees"] is False


def test_only_a_finished_scan_is_run_again(dee, as_actor):
    asked = request_scan(make_version())
    with pytest.raises(scan.ScanError, match="Only a finished scan"):
        scan.repeat(asked, by=MAKER)
    with pytest.raises(NotAllowed, match="scan:request"):
        scan.repeat(finished_scan(make_version()), by=as_actor(dee))


def test_a_result_of_an_older_form_is_not_compared():
    first = finished_scan(make_version())
    assert scan.result_of(first) == make_result()
    Scan.objects.filter(pk=first.pk).update(result=shard.pack({"findings": []}))
    first.refresh_from_db()
    assert scan.result_of(first) is None
    assert repeated(first).agreement is None


def test_an_autoencoder_that_does_not_read_as_declared_flags_everything_it_attests():
    done = finished_scan(make_version(), make_result(self_check=CHECK))
    newest = queries.newest_evidence(done.version)
    for kind in ("sae_scan", "suppression"):
        assert newest[kind].status == "inconclusive"
        assert "Flag: the autoencoder does not read as declared" in newest[kind].summary
        assert newest[kind].payload["self_check"]["declared_l0"] == "41.5"
    hiding = finished_scan(make_version(), make_result(self_check=CHECK, tests=(HIDDEN,)))
    assert queries.newest_evidence(hiding.version)["suppression"].status == "not_met"


def two_lists(n=2):
    return [make_watchlist(make_sae()) for _ in range(n)]


def test_several_read_points_are_asked_at_once(bo, as_actor):
    version, lists, prompts = make_version(), two_lists(), make_suite()
    made = scan.request_together(version, watchlists=lists, suite=prompts, seed=3, by=as_actor(bo))
    assert [each.watchlist for each in made] == lists
    assert [each.sae for each in made] == [each.sae for each in lists]
    assert {each.seed for each in made} == {3}
    (shared,) = {each.together for each in made}
    assert list(queries_of_scans.asked_together(as_actor(bo), made[0])) == made
    assert {o.facts["together"] for o in log.entries(actions=["scan.request"])} == {str(shared)}


def test_one_alone_is_not_together_with_anything(root):
    (made,) = scan.request_together(
        make_version(), watchlists=two_lists(1), suite=make_suite(), by=root
    )
    assert made.together is None
    assert not queries_of_scans.asked_together(root, made)


@pytest.mark.parametrize("n", [0, 1])
def test_no_list_and_one_list_twice_are_refused(root, n):
    with pytest.raises(scan.ScanError, match="each once"):
        scan.request_together(
            make_version(), watchlists=two_lists(1) * 2 * n, suite=make_suite(), by=root
        )
    assert not Scan.objects.exists()


def test_a_clean_scan_elsewhere_takes_nothing_back():
    version = make_version()
    bad = finish(request_scan(version), make_result(tests=(HIDDEN,)))
    clean = finished_scan(version)
    speaking = queries.newest_evidence(version)["suppression"]
    assert (speaking.source, speaking.status) == (bad.ref, "not_met")
    finish(request_scan(version, like=clean), make_result(tests=(HIDDEN,)))
    finish(request_scan(version, like=bad))
    assert queries.newest_evidence(version)["suppression"].source != bad.ref
    finish(request_scan(version, like=clean))
    assert queries.newest_evidence(version)["suppression"].status == "met"
