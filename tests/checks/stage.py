"""What the checks stand on: the cast, approved reports, a regulator, and workers that can die."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection, connections
from django.db.models import Model

from compliance import loopback
from compliance.actors import Actor, system
from compliance.clock import HeldClock
from compliance.filing.sandbox import Sandbox
from compliance.filing.sandbox.faults import Plan
from compliance.loopback import Reply, Request
from compliance.models import Blob, ClockInstance, Filing, Report, Revision, Subject, User
from compliance.permissions import Role
from compliance.services import account, blob, report, submission, sweep
from compliance.services.report_reading import digest_of
from tests.checks.database import Restartable
from tests.compliance.papers import answered, make_incident

CHILD_SECONDS = 60.0
MAKER = system("checks")


def nothing(request: Request) -> None:
    """What happens at the recipient unless something else is wished."""


@dataclass
class Regulator:
    """A sandbox in a thread of this process, and what may be done while it answers."""

    sandbox: Sandbox
    config: dict[str, Any]
    before: Callable[[Request], None] = nothing
    after: Callable[[Request], None] = nothing

    def plan(self, *steps: str, each: tuple[str, ...] = (), rotate: tuple[str, ...] = ()) -> None:
        """How it fails from now on."""
        self.sandbox.plan = Plan.of(steps, each, rotate)

    def accepted(self, filing: Filing) -> int:
        """How often it has this filing, counted on its disk."""
        return sum(each.about["filing"] == str(filing.uuid) for each in self.sandbox.filings())

    def answer(self, request: Request) -> Reply:
        """As the sandbox does, with a look before and after."""
        self.before(request)
        reply = self.sandbox.answer(request)
        self.after(request)
        return reply


@dataclass
class Stage:
    """One run of the checks."""

    folder: Path
    database: Restartable
    is_small: bool = False
    n_filings: int = 1_000
    """How many go out at once."""
    people: dict[str, User] = field(default_factory=dict)
    _n: int = 0

    def by(self, name: str) -> Actor:
        """One of the cast, made when first asked for."""
        roles = {
            "ada": [Role.GOVERNANCE_LEAD],
            "rae": [Role.FILING_OFFICER],
            "bo": [Role.SAFETY_ENGINEER, Role.RESPONDER],
        }
        if name not in self.people:
            self.people[name] = account.make(
                f"{name}@example.org", name.title(), roles[name], password="unused", by=MAKER
            )
        return account.actor_for(self.people[name])

    def approved(self) -> Report:
        """An approved report with a paper: any bytes will do for the road."""
        self._n += 1
        begun = answered(make_incident(f"INC-{self._n}: a check"), by=self.by("rae"))
        return self.approve(begun)

    def approve(self, begun: Report) -> Report:
        """Submitted by one, approved by another, with a paper."""
        report.submit(begun, by=self.by("rae"))
        report.approve(begun, by=self.by("ada"))
        keep = {"retention": Blob.Retention.INCIDENT.value, "by": self.by("ada")}
        pdf = b"%PDF-1.7 paper"
        begun.pdf = blob.keep(begun.subject, "r.pdf", "application/pdf", pdf, **keep)
        begun.twin = blob.keep(begun.subject, "r.json", "application/json", b"{}", **keep)
        begun.save(update_fields=["pdf", "twin"])
        return begun

    def crowd(self, n: int) -> list[Report]:
        """So many approved reports about incidents of their own: one is made, the others copied."""
        first = self.approved()
        return [first, *(_copied(first) for _ in range(n - 1))]

    def filed(self, config: dict[str, Any], made: Report | None = None) -> Filing:
        """A filing that waits."""
        found = made or self.approved()
        return submission.file(found, way="http", way_config=config, by=self.by("rae"))

    @contextmanager
    def regulator(self, *, callback: str = "", seconds: float = 1.0) -> Iterator[Regulator]:
        """A sandbox with a folder of its own."""
        self._n += 1
        sandbox = Sandbox.at(self.folder / f"sandbox-{self._n}", callback=callback)
        found = Regulator(sandbox, {"simulation": True, "timeout_seconds": seconds})
        with loopback.serving(found.answer) as url:
            settings.STRATA_EGRESS = [url.removeprefix("http://")]
            with urllib.request.urlopen(f"{url}/key") as said:
                found.config["public_key"] = json.load(said)["public_key"]
            found.config["url"] = f"{url}/filings"
            yield found


def _copied(first: Report) -> Report:
    """The same report about an incident of its own: rows alone, the bytes are content-addressed."""
    place = _again(Subject.objects.get(pk=first.subject.pk))
    papers = [_again(paper, subject=place) for paper in (first.pdf, first.twin)]
    found = _again(
        Report.objects.get(pk=first.pk),
        subject=place,
        about_uuid=place.uuid,
        pdf=papers[0],
        twin=papers[1],
    )
    for revision in Revision.objects.filter(report=first).order_by("number"):
        _again(revision, report=found, sha256=digest_of(found, revision.fields))
    found.approved_sha256 = report.current_sha256(found)
    found.save(update_fields=["approved_sha256"])
    clock = ClockInstance.objects.get(
        about_uuid=first.about_uuid, regime=first.regime, stage=first.stage, replaced_by=None
    )
    _again(clock, subject=place, about_uuid=place.uuid)
    return found


def _again(row: Any, **columns: Any) -> Any:
    row = type(row).objects.get(pk=row.pk)
    row.pk, row._state.adding = None, True
    if any(each.name == "uuid" for each in row._meta.fields):
        row.uuid = row._meta.get_field("uuid").get_default()
    for name, value in columns.items():
        setattr(row, name, value)
    row.save()
    return row


def fresh(row: Any) -> Any:
    """The row as it stands now."""
    model: type[Model] = type(row)
    return model._default_manager.get(pk=row.pk)


def in_child(work: Callable[[], object]) -> int:
    """Run in a process of its own that has its own connection; how it ended (negative: a signal)."""
    connections.close_all()
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        _as_child(work)
    until = time.monotonic() + CHILD_SECONDS
    while time.monotonic() < until:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    raise TimeoutError(f"a worker did not end within {CHILD_SECONDS:.0f} s")


def _as_child(work: Callable[[], object]) -> None:
    code = 0
    try:
        work()
        connection.close()
    except BaseException as error:  # noqa: BLE001 - said aloud; the parent counts
        code = 70
        sys.stderr.write(f"worker: {type(error).__name__}: {error}\n")
    finally:
        os._exit(code)


def keepers_round(clock: HeldClock) -> None:
    """Time passes, and the keeper does its rounds: lapsed leases, what is open with recipients."""
    clock.pass_by(timedelta(minutes=20))
    sweep.take_back_lapsed()
    submission.reconcile_due()
