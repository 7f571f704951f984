import ast
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance.actors import Actor, ActorKind, system
from compliance.audit.actions import ACTIONS
from compliance.machines import TransitionRefused, refusal
from compliance.permissions import ALL_BUT_SYSTEM
from config.reference import MACHINES, claims_of

ROOT = Path(__file__).resolve().parents[2]
VERBS = sorted({verb for machine in MACHINES for _, verb in machine.moves})
BY_NAME = {machine.name: machine for machine in MACHINES}
SUBJECT = SimpleNamespace(uuid=UUID(int=1), restricted=False)

each_machine = pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)


def person(user_id=1):
    return Actor(ActorKind.PERSON, UUID(int=user_id), "somebody", ALL_BUT_SYSTEM, user_id=user_id)


def edges(machine):
    found = {(state, move.to) for (state, _), move in machine.moves.items()}
    return found | set(claims_of(machine))


def test_no_two_machines_share_a_name():
    assert len(BY_NAME) == len(MACHINES)


@given(st.sampled_from(MACHINES), st.lists(st.sampled_from(VERBS), max_size=30))
def test_no_path_leaves_the_table(machine, verbs):
    state = machine.initial
    for verb in verbs:
        if (state, verb) in machine.moves:
            state = machine.move(state, verb).to
        else:
            with pytest.raises(TransitionRefused, match=state):
                machine.move(state, verb)
        assert state in machine.states


@each_machine
def test_every_state_is_reached_from_the_first(machine):
    reached, waiting = {machine.initial}, [machine.initial]
    while waiting:
        here = waiting.pop()
        news = {to for start, to in edges(machine) if start == here} - reached
        reached |= news
        waiting += news
    assert reached == set(machine.states)


@each_machine
def test_every_state_leads_to_an_end(machine):
    ends = machine.ends()
    assert ends or machine.name == "incident", "only an incident may be reopened for ever"
    leads = set(ends)
    while more := {start for start, to in edges(machine) if to in leads} - leads:
        leads |= more
    assert leads == set(machine.states) or not ends


@each_machine
def test_every_move_is_in_the_vocabulary_of_the_log(machine):
    missing = {f"{machine.name}.{verb}" for _, verb in machine.moves} - set(ACTIONS)
    assert missing == set()


@each_machine
def test_a_verb_that_a_person_can_say_has_a_word_for_its_button(machine):
    for (_, verb), move in machine.moves.items():
        if move.label:
            assert str(move.label).strip(), verb
        else:
            assert (
                move.permission is None
                or machine.name in {"alert", "page"}
                or not person().may(move.permission)
            ), f"{machine.name}.{verb} needs a label"


@each_machine
def test_whoever_asked_cannot_be_the_second_person(machine):
    for move in machine.moves.values():
        for field in move.not_the:
            others = dict.fromkeys((f"{name}_id" for name in move.not_the), 99)
            thing = SimpleNamespace(subject=SUBJECT, **{**others, f"{field}_id": 1})
            assert field in (refusal(person(1), move, thing) or "")
            assert refusal(person(2), move, thing) is None
            assert "not a person" in (refusal(system("tests"), move, thing) or "")
            another = replace(person(2), shared={1: "a mailbox", 99: ""}.__getitem__)
            assert "both share a mailbox" in (refusal(another, move, thing) or "")


def test_what_a_lease_claims_is_what_the_page_draws():
    claimed = {pair for path in _sources() for pair in _claims(path)}
    assert claimed == {claim for machine in MACHINES for claim in claims_of(machine)}


def test_what_a_lease_holds_can_be_put_back_and_given_up():
    for machine in MACHINES:
        for waiting, working in claims_of(machine):
            assert {(working, "requeue"), (working, "give_up")} <= set(machine.moves), machine.name
            assert (waiting, "give_up") in machine.moves, machine.name


def _sources():
    return [
        path
        for app in ("compliance", "assessments", "incidents")
        for path in (ROOT / app).rglob("services/*.py")
    ]


def _claims(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "lease.claim":
            words = {keyword.arg: keyword.value for keyword in node.keywords}
            yield ast.literal_eval(words["waiting"]), ast.literal_eval(words["running"])
