"""What the pages of autoencoders, watch-lists and suites have in common."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from compliance.views.form_page import Crumb
from compliance.views.tables import Empty, Table

if TYPE_CHECKING:
    from django.utils.functional import Promise

    from compliance.actors import Actor
    from compliance.permissions import Permission

LISTS: dict[str, Promise] = {
    "assessments:instruments": gettext_lazy("Autoencoders"),
    "assessments:watchlists": gettext_lazy("Watch-lists"),
    "assessments:suites": gettext_lazy("Prompt suites"),
}
DEEPEST = 12


class Tab(NamedTuple):
    """One of the three lists."""

    label: object
    url: str
    is_current: bool


def tabs(current: str) -> list[Tab]:
    """The way from one list to the others."""
    return [Tab(label, reverse(name), name == current) for name, label in LISTS.items()]


def crumbs(where: str, *steps: tuple[str, str]) -> list[Crumb]:
    """The way to a page: its list, then what lies between, then itself.

    Args:
        where: the list's name.
        steps: labels and addresses; the last is the page itself and has none.
    """
    return [
        Crumb(_("Instruments"), reverse("assessments:instruments")),
        Crumb(LISTS[where], reverse(where)),
        *(Crumb(label, url) for label, url in steps),
    ]


def head_action(
    who: Actor, permission: Permission, label: str, url: str, icon: str
) -> dict[str, Any] | None:
    """The one primary action of a list, for who may do it."""
    if not who.may(permission):
        return None
    return {"label": label, "url": url, "icon": icon}


def offered(table: Table, who: Actor, permission: Permission) -> Table:
    """The table; when it is empty, the next step is offered only to who may take it."""
    if who.may(permission):
        return table
    return replace(table, empty=Empty(table.empty.title, table.empty.hint))


def flat(card: Any, before: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """A card's figures as name and value, nested names joined."""
    for key, value in card.items():
        name = f"{before}{key}".replace("_", " ")
        if isinstance(value, dict) and depth < DEEPEST:
            yield from flat(value, f"{name}: ", depth + 1)
        else:
            yield name, str(value)


def person(row: Any) -> str:
    """Who registered it."""
    return row.registered_by.name if row.registered_by else _("the system")


def figure(value: float | None) -> str:
    """A measured number in three digits; a dash where there is none."""
    return "\N{EN DASH}" if value is None else f"{value:.3g}"


def same_name(rows: Any, found: Any) -> list[Any]:
    """All numbers of a name, the newest first."""
    return list(rows.filter(name=found.name).order_by("-number"))


def before_each(numbers: Sequence[Any]) -> Iterator[tuple[Any, Any | None]]:
    """Each number with the one before it."""
    yield from zip(numbers, [*numbers[1:], None], strict=True)
