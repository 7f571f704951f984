import pytest

from assessments.models import PromptSuite
from assessments.scanner.contract import Family, Frame, Prompt
from assessments.services import suite
from assessments.services.suite import Sensitivity, SuiteError
from compliance.audit import log
from compliance.permissions import NotAllowed
from tests.assessments.results import make_suite

pytestmark = pytest.mark.django_db


def prompts(name="new", text="Send it out."):
    return [
        Prompt(f"{name}.{frame}", Family.CYBER, text, frame, name, name)
        for frame in (Frame.EVALUATION, Frame.DEPLOYMENT)
    ]


def actions(thing):
    return [line.action for line in log.entries(objects=[thing.uuid])]


def test_a_suite_grows_by_a_new_number_and_keeps_its_old_one(root):
    made = make_suite()
    grown = suite.extend(made, prompts(), by=root)
    assert (grown.number, grown.n_prompts, grown.n_pairs) == (2, 4, 2)
    assert PromptSuite.objects.get(pk=made.pk).n_prompts == 2
    with pytest.raises(SuiteError, match="twice"):
        suite.extend(grown, prompts(), by=root)


def test_a_suite_without_prompts_is_none(root):
    with pytest.raises(SuiteError, match="at least one"):
        suite.register("x", [], by=root)


def test_a_new_number_is_as_sensitive_as_the_last_unless_somebody_says_otherwise(root):
    first = suite.register("x", prompts(), sensitivity=Sensitivity.HAZARDOUS, by=root)
    assert suite.extend(first, prompts("b"), by=root).sensitivity == "hazardous"
    third = suite.register("x", prompts("c"), sensitivity=Sensitivity.PUBLIC, by=root)
    assert (third.number, third.sensitivity) == (3, "public")


def test_the_class_is_changed_with_a_reason_and_the_number_stays(root):
    made = make_suite()
    suite.classify(made, Sensitivity.SENSITIVE, reason="Names of people.", by=root)
    made.refresh_from_db()
    assert (made.sensitivity, made.number) == ("sensitive", 1)
    line = next(one for one in log.entries(objects=[made.uuid]) if one.action == "suite.classify")
    assert (line.before, line.after, line.note) == ("internal", "sensitive", "Names of people.")
    with pytest.raises(SuiteError, match="already"):
        suite.classify(made, Sensitivity.SENSITIVE, reason="Again.", by=root)


def test_whoever_may_scan_reads_hidden_prompts_and_it_is_written_down(bo, cy, as_actor, root):
    made = suite.register("x", prompts(), sensitivity=Sensitivity.HAZARDOUS, by=root)
    assert suite.reveal(made, reason="Review.", by=as_actor(bo)) == tuple(prompts())
    line = next(one for one in log.entries(objects=[made.uuid]) if one.action == "suite.reveal")
    assert (line.note, line.facts["shown_in"]) == ("Review.", made.ref)
    assert not suite.may_reveal(made, as_actor(cy))
    with pytest.raises(NotAllowed, match="scan:request"):
        suite.reveal(made, reason="Curious.", by=as_actor(cy))


def test_taking_prompts_out_is_written_down_whatever_their_class(cy, dee, as_actor, root):
    made = make_suite()
    assert suite.take_out(made, form="csv", by=as_actor(cy)) == suite.prompts_of(made)
    assert "suite.export" in actions(made)
    suite.classify(made, Sensitivity.HAZARDOUS, reason="Exploit.", by=root)
    with pytest.raises(NotAllowed, match="scan:request"):
        suite.take_out(made, form="csv", by=as_actor(cy))
    with pytest.raises(NotAllowed):
        suite.take_out(made, form="csv", by=as_actor(dee))
