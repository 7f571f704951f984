import csv
import io
import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from assessments.models import PromptSuite
from assessments.scanner.contract import Family, Prompt
from assessments.services import suite as suites
from assessments.services import suite_file
from assessments.services.suite import Sensitivity
from compliance.audit import log
from tests.assessments.results import make_suite

pytestmark = pytest.mark.django_db
HEAD = "id,family,text,frame,template_id,content_id,system\n"
GOOD = (
    HEAD
    + "a.e,cyber,Rotate the key.,evaluation,t,a,A test.\n"
    + "a.d,cyber,Rotate the key.,deployment,t,a,In earnest.\n"
)
SECRET = "How to melt the lock"


def at(name, *args):
    return reverse(f"assessments:{name}", args=args)


def words(answer):
    return " ".join(answer.content.decode().split())


def asked(text="", name="pairs", file=None, **more):
    sent = {"name": name, "sensitivity": "internal", "reason": "", "text": text, "seen": "", **more}
    return sent | ({"file": SimpleUploadedFile(*file)} if file else {})


def seen_in(answer):
    return re.search(r'name="seen" value="([0-9a-f]{64})"', answer.content.decode())[1]


def actions(thing):
    return [line.action for line in log.entries(objects=[thing.uuid])]


@pytest.fixture
def locked(root):
    prompts = [Prompt("one", Family.CYBER, SECRET)]
    return suites.register("locked", prompts, sensitivity=Sensitivity.HAZARDOUS, by=root)


def test_the_empty_list_offers_one_next_step(client_as, bo):
    page = words(client_as(bo).get(at("suites")))
    assert "No prompt suite is registered" in page
    assert at("suite_import") in page


@pytest.mark.parametrize("form", suite_file.FORMS)
def test_prompts_are_looked_at_before_they_are_registered(client_as, bo, form):
    client = client_as(bo)
    text = suite_file.write(suite_file.read(GOOD, "csv"), form)
    shown = client.post(at("suite_import"), asked(file=(f"a.{form}", text.encode())))
    page = words(shown)
    assert shown.status_code == 200
    assert not PromptSuite.objects.exists()
    assert "Register these prompts" in page
    assert "Rotate the key." in page
    sha256 = seen_in(shown)
    assert page.count(sha256) >= 2
    answer = client.post(
        at("suite_import"), asked(text, seen=sha256, sensitivity="sensitive", reason="New.")
    )
    made = PromptSuite.objects.get()
    assert answer.url == at("suite", made.uuid)
    assert (made.sha256, made.n_pairs, made.sensitivity, made.reason, made.registered_by) == (
        sha256, 1, "sensitive", "New.", bo,
    )  # fmt: skip


def test_prompts_that_were_changed_after_the_look_are_looked_at_again(client_as, bo):
    client = client_as(bo)
    sha256 = seen_in(client.post(at("suite_import"), asked(GOOD)))
    again = client.post(at("suite_import"), asked(GOOD.replace("A test.", "Tests."), seen=sha256))
    assert again.status_code == 200
    assert seen_in(again) != sha256
    assert not PromptSuite.objects.exists()


def test_mistakes_are_named_by_line_and_nothing_is_lost(client_as, bo):
    bad = HEAD + "a,theft,</textarea><script>alert(1)</script>,,,,\n"
    answer = client_as(bo).post(
        at("suite_import"), asked(file=("a.csv", bad.encode()), reason="Keep me.")
    )
    page = words(answer)
    assert answer.status_code == 422
    assert "<strong>Line 2, family</strong>: expected one of deception" in page
    assert "&lt;/textarea&gt;&lt;script&gt;" in page
    assert "<script>alert" not in page
    assert "Keep me." in page


def test_a_file_that_is_no_text_is_named_by_line(client_as, bo):
    answer = client_as(bo).post(at("suite_import"), asked(file=("a.csv", b"id\n\xff")))
    assert answer.status_code == 422
    assert "Line 2" in words(answer)


def test_the_digest_before_and_after_and_the_counts_stand_beside_each_other(client_as, bo, root):
    client = client_as(bo)
    first = suites.register("pairs", suite_file.read(GOOD, "csv"), by=root)
    grown = GOOD + "b,benign,Hello.,,,,\n"
    page = words(client.post(at("suite_import"), asked(grown)))
    assert first.sha256 in page
    assert "1 added, 0 dropped, 0 changed, 2 the same" in page
    assert "Digest of these prompts" in page
    same = words(client.post(at("suite_import"), asked(GOOD)))
    assert f"These are exactly the prompts of {first}" in same


def test_hidden_texts_are_on_no_page(client_as, bo, cy, locked):
    for person in (bo, cy):
        page = words(client_as(person).get(at("suite", locked.uuid)))
        assert "The texts are hidden" in page
        assert SECRET not in page
    assert "Show the texts" in words(client_as(bo).get(at("suite", locked.uuid)))
    assert "Show the texts" not in words(client_as(cy).get(at("suite", locked.uuid)))


def test_a_look_at_hidden_texts_takes_a_reason_and_is_written_down(client_as, bo, cy, locked):
    address = at("suite_reveal", locked.uuid)
    assert client_as(bo).post(address, {"reason": " "}).status_code == 422
    assert "suite.reveal" not in actions(locked)
    answer = client_as(bo).post(address, {"reason": "Review of the week."})
    assert SECRET in words(answer)
    assert answer["Cache-Control"] == "no-store"
    line = next(one for one in log.entries(objects=[locked.uuid]) if one.action == "suite.reveal")
    assert (line.note, line.actor_label) == ("Review of the week.", "Bo")
    assert client_as(cy).post(address, {"reason": "Curious."}).status_code == 403


@pytest.mark.parametrize("form", suite_file.FORMS)
def test_prompts_leave_as_a_file_and_it_is_written_down(client_as, cy, root, form):
    nasty = [Prompt("one", Family.CYBER, "=cmd|' /C calc'!A0")]
    made = suites.register("x", nasty, by=root)
    answer = client_as(cy).post(at("suite_take_out", made.uuid), {"form": form})
    text = answer.content.decode()
    assert suite_file.read(text, form) == tuple(nasty)
    if form == "csv":
        assert list(csv.reader(io.StringIO(text)))[1][2].startswith("'=")
    assert "attachment" in answer["Content-Disposition"]
    assert "suite.export" in actions(made)


def test_hidden_prompts_leave_for_a_reason_only_and_by_who_may_scan(client_as, bo, cy, locked):
    address = at("suite_take_out", locked.uuid)
    assert client_as(bo).post(address, {"form": "csv", "reason": ""}).status_code == 422
    assert client_as(cy).post(address, {"form": "csv", "reason": "Mine."}).status_code == 403
    answer = client_as(bo).post(address, {"form": "csv", "reason": "To the lab."})
    assert SECRET in answer.content.decode()


def test_the_class_is_changed_with_a_reason(client_as, bo, cy):
    made = make_suite("Plain words.")
    address = at("suite_classify", made.uuid)
    assert (
        client_as(bo).post(address, {"sensitivity": "hazardous", "reason": ""}).status_code == 422
    )
    same = client_as(bo).post(address, {"sensitivity": "internal", "reason": "Again."})
    assert "of the class “internal” already" in words(same)
    client_as(bo).post(address, {"sensitivity": "hazardous", "reason": "It tells how."})
    assert "Plain words." not in words(client_as(bo).get(at("suite", made.uuid)))
    assert client_as(cy).post(address, {"sensitivity": "public", "reason": "x"}).status_code == 403


def test_numbers_and_what_changed_are_counted_without_a_text(client_as, bo, root, locked):
    grown = suites.extend(locked, [Prompt("two", Family.BENIGN, "Hello.")], by=root)
    client = client_as(bo)
    page = words(client.get(at("suite_numbers", locked.uuid)))
    assert "1 added, 0 dropped, 0 changed, 1 the same" in page
    shown = words(client.get(at("suite_difference", locked.uuid, grown.uuid)))
    assert locked.sha256 in shown
    assert grown.sha256 in shown
    assert SECRET not in page + shown
    other = make_suite()
    assert client.get(at("suite_difference", locked.uuid, other.uuid)).status_code == 404


def test_who_reads_may_not_write_and_the_outsider_finds_nothing(client_as, cy, dee):
    made = make_suite()
    assert client_as(cy).get(at("suite", made.uuid)).status_code == 200
    assert client_as(cy).get(at("suite_import")).status_code == 403
    client = client_as(dee)
    for name in ("suite", "suite_numbers"):
        assert client.get(at(name, made.uuid)).status_code == 404, name
    for name in ("suite_reveal", "suite_take_out", "suite_classify"):
        assert client.post(at(name, made.uuid), {"reason": "x"}).status_code == 404, name
    assert client.get(at("suites")).status_code == 403
