import pytest
from django.core.management import CommandError, call_command

from compliance.audit.actions import ACTIONS
from compliance.permissions import Permission
from compliance.regimes import load
from config import reference


def test_the_pages_say_what_the_tables_say():
    call_command("docs", "--check", verbosity=0)


def test_an_old_page_is_named(tmp_path):
    call_command("docs", out=tmp_path)
    (tmp_path / "actions.md").write_text("something older")
    with pytest.raises(CommandError, match=r"actions\.md"):
        call_command("docs", "--check", out=tmp_path)


@pytest.mark.parametrize("machine", reference.MACHINES, ids=lambda machine: machine.name)
def test_every_state_and_verb_is_drawn(machine):
    page = reference.states().split(f"\n## {machine.name}\n", 1)[1].split("\n## ", 1)[0]
    for (state, verb), move in machine.moves.items():
        assert f"{state} --> {move.to}: {verb}" in page
    for state in machine.states:
        assert f"`{state}`: " in page


def test_every_action_permission_and_regime_is_printed():
    assert all(f"`{name}`" in reference.actions() for name in ACTIONS)
    assert all(
        f"`{p}`" in reference.permissions() for p in Permission if p is not Permission.SYSTEM
    )
    assert all(pack.digest in reference.regimes() for pack in load.regimes())
