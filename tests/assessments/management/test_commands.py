import time
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from assessments.models import Sae, Scan
from assessments.scanner.contract import ScanFailed
from assessments.services import sae as saes
from assessments.services import scan as scans
from assessments.services import suite as suites
from tests.assessments.results import (
    HIDDEN,
    claim_sae,
    examined,
    finish,
    make_result,
    make_sae,
    make_suite,
    make_watchlist,
    sae_files,
)
from tests.factories import make_version

pytestmark = pytest.mark.django_db


@pytest.fixture
def meanwhile(monkeypatch):
    """What a worker does while the command sleeps."""

    def set_to(work):
        monkeypatch.setattr(time, "sleep", lambda _seconds: work())

    return set_to


@pytest.fixture
def instrument():
    sae = make_sae()
    watchlist, suite = make_watchlist(sae), make_suite()
    version = make_version()
    return {
        "version": version.weights_sha256, "sae": sae.sha256, "watchlist": watchlist.name,
        "suite": f"{suite.name}@1",
    }  # fmt: skip


def scan(capsys, *more, **asked):
    arguments = [word for key, value in asked.items() for word in (f"--{key}", value)]
    call_command("scan", *arguments, *more)
    return capsys.readouterr().out


def test_a_scan_is_asked_for_in_the_name_of_a_person(capsys, instrument, bo):
    out = scan(capsys, "--by", "bo@example.org", "--seed", "7", **instrument)
    made = Scan.objects.get()
    assert (made.requested_by, made.seed, made.state) == (bo, 7, "queued")
    assert str(made.uuid) in out


def test_a_scan_that_is_done_and_found_nothing_ends_well(capsys, instrument, meanwhile):
    meanwhile(lambda: finish(Scan.objects.get(), make_result()))
    out = scan(capsys, "--wait", **instrument)
    assert "waiting for a scan worker" in out
    assert f"result sha256 {Scan.objects.get().result_sha256}" in out
    assert "sae_scan: " in out


def test_concerns_are_told_by_the_exit(capsys, instrument, meanwhile):
    meanwhile(lambda: finish(Scan.objects.get(), make_result(tests=(HIDDEN,))))
    with pytest.raises(CommandError, match=r"Concerns found: .*suppression") as caught:
        scan(capsys, "--wait", **instrument)
    assert caught.value.returncode == 3
    assert "suppression: not_met" in capsys.readouterr().out


def test_a_failure_is_told_by_the_exit(capsys, instrument, meanwhile):
    def fail():
        claimed = scans.claim(Scan.objects.get().pk)
        scans.fail(claimed, ScanFailed("digest differs", permanent=True))

    meanwhile(fail)
    with pytest.raises(CommandError, match="failed: digest differs") as caught:
        scan(capsys, "--wait", **instrument)
    assert caught.value.returncode == 1


def test_a_scan_that_takes_too_long_goes_on(capsys, instrument):
    with pytest.raises(CommandError, match="the scan goes on") as caught:
        scan(capsys, "--wait", "0.01", **instrument)
    assert caught.value.returncode == 1
    assert Scan.objects.get().state == "queued"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": "0" * 64}, "no version “000"),
        ({"watchlist": "nobody"}, "no watch-list “nobody”"),
        ({"suite": "nobody@3"}, "no number 3 of the suite “nobody”"),
        ({"sae": "nobody"}, "no sae “nobody”"),
    ],
)
def test_what_is_not_there_is_named(capsys, instrument, change, words):
    with pytest.raises(CommandError, match=words):
        scan(capsys, **{**instrument, **change})
    assert not Scan.objects.exists()


def test_a_watch_list_of_another_autoencoder_is_refused(capsys, instrument):
    with pytest.raises(CommandError, match="names latents of"):
        scan(capsys, **{**instrument, "sae": str(make_sae().uuid)})


def test_who_may_not_scan_may_not_from_here_either(capsys, instrument, cy):
    with pytest.raises(CommandError, match="scan:request"):
        scan(capsys, "--by", "cy@example.org", **instrument)
    with pytest.raises(CommandError, match=r"no account nobody@example\.org"):
        scan(capsys, "--by", "nobody@example.org", **instrument)


def test_of_a_name_the_newest_number_is_meant(capsys, instrument, root):
    name = instrument["suite"].partition("@")[0]
    first = suites.newest(name)
    second = suites.extend(first, [], by=root)
    assert second == first
    (prompt, *_) = suites.prompts_of(first)
    second = suites.register(name, [prompt], by=root)
    scan(capsys, **{**instrument, "suite": name})
    scan(capsys, **{**instrument, "suite": f"{name}@1"})
    assert list(Scan.objects.order_by("pk").values_list("suite", flat=True)) == [
        second.pk, first.pk,
    ]  # fmt: skip


def register(capsys, *arguments):
    call_command("register_sae", *map(str, arguments))
    return capsys.readouterr().out


def test_an_autoencoder_is_registered_from_anywhere(capsys, tmp_path):
    version = make_version()
    folder = sae_files(tmp_path / "mine")
    out = register(capsys, folder, "--name", "Mine", "--made-for", version.uuid)
    made = Sae.objects.get()
    assert (Path(made.location), made.made_for, made.state) == (folder, version, "waiting")
    assert str(made.uuid) in out


def test_the_command_waits_until_it_is_checked(capsys, meanwhile, tmp_path):
    def accept():
        claimed = claim_sae(Sae.objects.get())
        saes.accept(claimed, examined(claimed.path, doubts=("norm unknown",)), {})

    meanwhile(accept)
    out = register(capsys, sae_files(tmp_path / "mine"), "--name", "Mine", "--wait")
    assert "saelens, jumprelu: 64 latents at blocks.8.hook_resid_post" in out
    assert f"sha256 {Sae.objects.get().sha256}" in out
    assert "doubt: norm unknown" in out


def test_the_same_files_again_are_no_failure_in_a_pipeline(capsys, meanwhile):
    first = make_sae()

    def accept():
        claimed = claim_sae(Sae.objects.latest("pk"))
        saes.accept(claimed, examined(claimed.path), {})

    meanwhile(accept)
    out = register(capsys, first.location, "--name", "Again", "--wait")
    assert f"{first.uuid} has the same files" in out


def test_a_refusal_fails_the_pipeline(capsys, meanwhile, tmp_path):
    def refuse():
        saes.refuse(claim_sae(Sae.objects.get()), ScanFailed("not finite", permanent=True))

    meanwhile(refuse)
    with pytest.raises(CommandError, match="Refused: not finite"):
        register(capsys, sae_files(tmp_path / "mine"), "--name", "Mine", "--wait")
    with pytest.raises(CommandError, match="nothing at"):
        register(capsys, tmp_path / "nowhere", "--name", "Mine")
