"""Pages of docs/ that are drawn from the tables in the code, so that they cannot disagree.

`manage.py docs` writes them; `manage.py docs --check` says which one is out of date.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from assessments import states as assessment_states
from compliance import states as compliance_states
from compliance.audit.actions import ACTIONS
from compliance.machines import Machine, Move
from compliance.permissions import ROLES, TOKEN_SCOPES, Permission, Role
from compliance.regimes import load
from compliance.regimes.schema import CalendarDuty, Regime, Stage
from compliance.regimes.terms import (
    AUDIENCES,
    FIELD_TYPES,
    KNOWS,
    RELATIONS,
    SENSITIVITIES,
    UNKNOWN_POLICIES,
    PackKind,
)
from incidents import states as incident_states

MACHINES: tuple[Machine, ...] = (
    *compliance_states.MACHINES,
    *assessment_states.MACHINES,
    *incident_states.MACHINES,
)
HEAD = "<!-- Written by `make docs` from {source}. Change that, not this. -->\n\n"


def claims_of(machine: Machine) -> list[tuple[str, str]]:
    """The moves that a lease makes by itself: from a waiting state to a working one."""
    return [(each.claimed_from, key) for key, each in machine.states.items() if each.claimed_from]


def states() -> str:
    """Every state machine as a picture and a table."""
    head = HEAD.format(source="the `states.py` of each app")
    intro = (
        "# States\n\n"
        "Who may say a verb stands beside it; `system` is a worker. `(claim)` is a lease: "
        "a worker takes the row, and the sweep gives it back when the worker dies.\n"
    )
    return head + intro + "".join(_machine(machine) for machine in MACHINES)


def _machine(machine: Machine) -> str:
    lines = ["stateDiagram-v2", f"    [*] --> {machine.initial}"]
    lines += [f"    {state} --> {move.to}: {verb}" for (state, verb), move in machine.moves.items()]
    lines += [f"    {waiting} --> {working}: (claim)" for waiting, working in claims_of(machine)]
    lines += [f"    {state} --> [*]" for state in machine.states if state in machine.ends()]
    picture = "\n".join(lines)
    table = _table(
        ("From", "Verb", "To", "Who may", "Not the same person as"),
        (
            (state, f"`{verb}`", move.to, _who(move), ", ".join(move.not_the))
            for (state, verb), move in machine.moves.items()
        ),
    )
    words = "; ".join(f"`{key}`: {state.label}" for key, state in machine.states.items())
    return f"\n## {machine.name}\n\n{words}.\n\n```mermaid\n{picture}\n```\n\n{table}"


def _who(move: Move) -> str:
    if move.permission is Permission.SYSTEM:
        return "system"
    allowed = f"`{move.permission}`" if move.permission else "as the asking says"
    return f"{allowed}, a person" if move.person_only else allowed


def actions() -> str:
    """Every action that the log knows."""
    head = HEAD.format(source="`compliance/audit/actions.py`")
    table = _table(("Action", "Sentence"), ((f"`{name}`", text) for name, text in ACTIONS.items()))
    return f"{head}# Actions of the log\n\n{len(ACTIONS)} actions. Anything else is refused.\n\n{table}"


def permissions() -> str:
    """Roles against permissions."""
    head = HEAD.format(source="`compliance/permissions.py`")
    heads = ("Permission", *(role.value.replace("_", " ") for role in Role), "token")
    rows = (
        (
            f"`{permission}`",
            *("yes" if permission in ROLES[role] else "" for role in Role),
            "yes" if permission in TOKEN_SCOPES else "",
        )
        for permission in Permission
        if permission is not Permission.SYSTEM
    )
    intro = (
        "# Permissions\n\n"
        "What a role allows, everywhere. A grant allows one permission on one subject to one person; "
        "a restricted subject is open to its grants alone, whatever the role. `system:act` belongs "
        "to workers and to nobody else.\n\n"
    )
    return head + intro + _table(heads, rows)


def regimes() -> str:
    """Every pack: status, dates, stages and periods."""
    head = HEAD.format(source="`compliance/regimes/data`")
    intro = (
        "# Reporting regimes\n\n"
        "Not legal advice. A regime that is not in force, or whose date has not come, never counts "
        "down. P: read in the primary text; S: in secondary texts; M: from memory; H: a rule of the house.\n\n"
    )
    packs = load.regimes()
    overview = _table(
        ("Regime", "Status", "From", "Where", "Sources"),
        (
            (
                f"`{p.reference}`",
                p.status.value,
                p.valid_from,
                ", ".join(p.jurisdiction),
                p.evidence.value,
            )
            for p in packs
        ),
    )
    return head + intro + overview + "".join(_regime(pack) for pack in packs)


def _regime(pack: Regime) -> str:
    basis = "; ".join(
        f"{each.instrument}, {each.article} ({each.evidence.value})" for each in pack.legal_basis
    )
    table = _duties(pack) if pack.kind is PackKind.STANDING else _stages(pack)
    counsel = "".join(f"- {each}\n" for each in pack.requires_counsel)
    asked = f"\nFor counsel:\n\n{counsel}" if counsel else ""
    return (
        f"\n## {pack.title}\n\n`{pack.reference}`, SHA-256 `{pack.digest}`\n\n{pack.summary}\n\n"
        f"Basis: {basis}.\n\n{table}{_fields(pack)}{_kinds(pack)}{_relations(pack)}{asked}"
    )


def _fields(pack: Regime) -> str:
    """What a report must say, how it is answered, where it goes and what care it wants."""
    if not pack.fields:
        return ""
    return "\n" + _table(
        ("Field", "Stages", "Type", "Goes to", "Care", "In place of an answer", "Article"),
        (
            (
                each.label,
                ", ".join(each.stages),
                FIELD_TYPES[each.type],
                AUDIENCES[each.audience],
                SENSITIVITIES[each.sensitivity],
                UNKNOWN_POLICIES[each.unknown_policy],
                each.cite,
            )
            for each in pack.fields
        ),
    )


def _kinds(pack: Regime) -> str:
    """Which kinds of report the recipient knows."""
    if not pack.kinds:
        return ""
    told = "; ".join(
        f"`{each.id}`: {KNOWS[each.known]}" + (f" ({each.cite})" if each.cite else "")
        for each in pack.kinds
    )
    return f"\nKinds of report: {told}.\n"


def _relations(pack: Regime) -> str:
    """How it stands to other rules."""
    lines = (
        f"- {RELATIONS[each.kind]}"
        + (f" `{each.regime}`" if each.regime else "")
        + f": {each.text}"
        f" ({each.cite}, {each.evidence.value})\n"
        for each in pack.relations
    )
    told = "".join(lines)
    return f"\nBeside other rules:\n\n{told}" if told else ""


def _stages(pack: Regime) -> str:
    return _table(
        ("Stage", "For", "Counts from", "Period", "Article"),
        (row for stage in pack.stages for row in _rules(stage)),
    )


def _duties(pack: Regime) -> str:
    return _table(
        ("Duty", "Owner", "Counts from", "Period", "Again", "Article"),
        (row for duty in pack.calendar_duties for row in _dated(duty)),
    )


def _dated(duty: CalendarDuty) -> Iterator[tuple[object, ...]]:
    owner, again = duty.owner.replace("_", " "), f"every {duty.every}" if duty.every else ""
    for rule in duty.rules:
        period = f"{rule.period} {rule.direction}" if rule.period else "on the day"
        yield duty.title, owner, f"`{rule.anchor or rule.on}`", period, again, rule.cite


def _rules(stage: Stage) -> Iterator[tuple[object, ...]]:
    for rule in stage.rules:
        period = rule.period if rule.period is not None else (stage.soft_duty or rule.kind.value)
        anchor = f"`{rule.anchor}`"
        if rule.anchor.submission_of is not None:
            anchor += f" ({rule.anchor.of_several})"
        yield stage.title, ", ".join(rule.limbs) or "all", anchor, period, rule.cite


def _table(heads: tuple[str, ...], rows: Iterator[tuple[object, ...]]) -> str:
    lines = [heads, ("---",) * len(heads), *rows]
    return "".join("| " + " | ".join(_cell(cell) for cell in line) + " |\n" for line in lines)


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")


PAGES: dict[str, Callable[[], str]] = {
    "states.md": states,
    "actions.md": actions,
    "permissions.md": permissions,
    "regimes.md": regimes,
}
