"""What the commands have in common: who acts, what is meant by a name, and waiting aloud."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar
from uuid import UUID

from django.core.management.base import CommandError, CommandParser
from django.db.models import Model, QuerySet

from assessments.services import waiting
from compliance import queries as ground
from compliance.actors import Actor, system
from compliance.services import account

M = TypeVar("M", bound=Model)
EVERY = 1.0
A_SHA256 = 64


def add_who(parser: CommandParser) -> None:
    """--by: whose act it is."""
    parser.add_argument(
        "--by",
        default="",
        metavar="ADDRESS",
        help="whose act this is; without it the record names the command line",
    )


def add_wait(parser: CommandParser) -> None:
    """--wait: how long."""
    parser.add_argument(
        "--wait",
        nargs="?",
        type=float,
        const=math.inf,
        default=None,
        metavar="SECONDS",
        help="print progress until it is over; with SECONDS no longer than so many",
    )


def who(address: str) -> Actor:
    """The person of that address, or the command line itself.

    Raises:
        CommandError: nobody signs in with it.
    """
    if not address:
        return system("command line")
    person = ground.person_by_email(address)
    if person is None:
        raise CommandError(f"There is no account {address}.")
    return account.actor_for(person, via="cli")


def one(rows: QuerySet[M], text: str, *, what: str, **by: str) -> M:
    """The row of that uuid, or else the newest whose column says so.

    Args:
        rows: among which it is looked for.
        text: what was typed.
        what: a word for the message.
        by: columns and the values they must have.

    Raises:
        CommandError: there is none.
    """
    with suppress(ValueError):
        if found := rows.filter(uuid=UUID(text)).first():
            return found
    for column, value in by.items():
        if found := rows.filter(**{column: value}).order_by("-pk").first():
            return found
    raise CommandError(f"There is no {what} “{text}”; give its uuid, {' or '.join(by)}.")


def numbered(rows: QuerySet[M], text: str, *, what: str) -> M:
    """A watch-list or suite: by uuid, by NAME (its newest number) or by NAME@NUMBER."""
    name, _, number = text.rpartition("@")
    if name and number.isdecimal():
        if found := rows.filter(name=name, number=int(number)).first():
            return found
        raise CommandError(f"There is no number {number} of the {what} “{name}”.")
    with suppress(ValueError):
        if found := rows.filter(uuid=UUID(text)).first():
            return found
    if found := rows.filter(name=text).order_by("-number").first():
        return found
    raise CommandError(f"There is no {what} “{text}”; give its uuid, its name, or NAME@NUMBER.")


def wait(
    say: Callable[[str], Any], tell: Callable[[], tuple[str, bool]], *, seconds: float
) -> bool:
    """Say each new line until it is over; whether it is.

    Args:
        say: prints a line.
        tell: how far it is, and whether it is over.
        seconds: the longest wait.
    """
    last = ""

    def is_over() -> bool:
        nonlocal last
        line, over = tell()
        if line != last:
            say(line)
            last = line
        return over

    return waiting.watch(is_over, seconds=seconds, every=EVERY)
