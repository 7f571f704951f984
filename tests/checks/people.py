"""F07, F08 and F09: bytes that change after approval, people who approve their own, and waits."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from random import Random

from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from compliance.audit import log
from compliance.filing import backoff
from compliance.machines import TransitionRefused
from compliance.models import Blob, Report, Revision, User
from compliance.permissions import NotAllowed, Permission, Role
from compliance.services import account, blob, report, submission
from tests.checks.outcome import Found
from tests.checks.stage import MAKER, Regulator, Stage, fresh
from tests.compliance.papers import answered, make_incident

DRAWS = 10_000


def one_byte(stage: Stage) -> Found:
    """F07: an answer, the paper on the disk and the paper's row, each changed after approval."""
    found: dict[str, str] = {}
    with stage.regulator() as there:
        found["answer, before filing"] = _before_filing(stage, there)
        for name, change in {
            "answer, after filing": _change_answer,
            "paper on the disk": _change_file,
            "another paper": _change_paper,
        }.items():
            filing = stage.filed(there.config)
            undo = change(filing.report)
            submission.send(filing.pk)
            undo()
            refused = fresh(filing).state == "needs_human" and there.accepted(filing) == 0
            found[name] = "refused" if refused else f"{fresh(filing).state}"
        n_accepted = len(list(there.sandbox.filings()))
    return Found(
        set(found.values()) == {"refused"} and n_accepted == 0, {**found, "accepted": n_accepted}
    )


def _before_filing(stage: Stage, there: Regulator) -> str:
    made = stage.approved()
    _change_answer(made)
    try:
        stage.filed(there.config, fresh(made))
    except TransitionRefused:
        return "refused"
    return "filed"


def _change_answer(found: Report) -> Callable[[], None]:
    revision = Revision.objects.filter(report=found, translation_of=None).latest("number")
    name = next(iter(revision.fields))
    revision.fields[name] = {**revision.fields[name], "why": "another"}
    revision.save(update_fields=["fields"])
    return lambda: None


def _change_file(found: Report) -> Callable[[], None]:
    """Every stored file of the paper's digest: one bit of its last byte."""
    if found.pdf is None:
        raise AssertionError("no paper")
    stored = [
        path
        for path in Path(settings.STRATA_FILES).rglob("*")
        if path.is_file() and found.pdf.sha256 in "".join(path.parts)
    ]
    kept = {path: path.read_bytes() for path in stored}
    for path, content in kept.items():
        path.chmod(0o600)
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))

    def undo() -> None:
        for path, content in kept.items():
            path.write_bytes(content)

    return undo


def _change_paper(found: Report) -> Callable[[], None]:
    keep = {"retention": Blob.Retention.INCIDENT.value, "by": MAKER}
    other = blob.keep(found.subject, "r.pdf", "application/pdf", b"%PDF-1.7 papes", **keep)
    Report.objects.filter(pk=found.pk).update(pdf=other)
    return lambda: None


def own_approval(stage: Stage) -> Found:
    """F08: the author is refused, on the page and with the log; so are a second account and a token.

    A second account is known by the identity behind it (the provider's `sub`), which one protocol ties
    to one account alone; tied to another by a second protocol, its approval is refused. No token can
    be given the permission, and with any other it is refused at the page and by the service.
    """
    drafted = answered(make_incident("INC-0: own approval"), by=stage.by("rae"))
    report.submit(drafted, by=stage.by("rae"))
    author = stage.people["rae"]
    author.roles.get_or_create(role=Role.GOVERNANCE_LEAD.value)
    browser = Client()
    browser.force_login(author, backend="allauth.account.auth_backends.AuthenticationBackend")
    status = browser.post(reverse("compliance:approve_report", args=[drafted.uuid])).status_code
    found = {
        "author": "refused" if status == 403 else str(status),
        "second account": _second_account(author, drafted),
        "token": _token(drafted),
    }
    author.roles.filter(role=Role.GOVERNANCE_LEAD.value).delete()
    lines = log.entries(actions=["account.refuse", "token.refuse"], newest_first=True)
    logged = sum(str(drafted.uuid) in str(line.facts["path"]) for line in lines)
    state = fresh(drafted).state
    return Found(
        set(found.values()) == {"refused"} and logged == 3 and state == "review",
        {**found, "logged": logged, "state": state},
    )


def _second_account(author: User, drafted: Report) -> str:
    """Whether one identity at the provider (its `sub`) can approve by an account of its own."""
    second = account.make(
        "rae.second@example.org", author.name, [Role.GOVERNANCE_LEAD], password="unused", by=MAKER
    )
    identity = {"provider": "saml", "uid": "sub-of-rae"}
    SocialAccount.objects.create(user=author, **identity)
    try:
        with transaction.atomic():
            SocialAccount.objects.create(user=second, **identity)
    except IntegrityError:
        SocialAccount.objects.create(user=second, provider="sso", uid=identity["uid"])
    else:
        return "tied to both"
    browser = Client()
    browser.force_login(second, backend="allauth.account.auth_backends.AuthenticationBackend")
    answer = browser.post(reverse("compliance:approve_report", args=[drafted.uuid]))
    return "refused" if answer.status_code == 403 else str(answer.status_code)


def _token(drafted: Report) -> str:
    try:
        account.make_token("checks", [Permission.REPORT_APPROVE], by=MAKER)
    except ValueError:
        pass
    else:
        return "may hold the permission"
    token, text = account.make_token("checks", [Permission.REPORT_READ], by=MAKER)
    address = reverse("compliance:approve_report", args=[drafted.uuid])
    answer = Client().post(address, headers={"Authorization": f"Bearer {text}"})
    if answer.status_code != 403:
        return str(answer.status_code)
    try:
        report.approve(fresh(drafted), by=account.actor_for_token(token))
    except NotAllowed:
        return "refused"
    return "approved"


def waits(stage: Stage) -> Found:
    """F09: within the cap, jittered over all of it, never beyond an eighth of what is left."""
    del stage
    random = Random(20_261_123)  # noqa: S311 - the same draws each time
    worst = 1.0
    beyond = 0
    for failures, remaining in (
        (1, None),
        (4, timedelta(days=3)),
        (30, timedelta(days=3)),
        (30, timedelta(hours=1)),
        (30, timedelta(minutes=4)),
    ):
        longest = min(
            timedelta(minutes=15), backoff.BASE * 2 ** (failures - 1), *_eighth(remaining)
        ).total_seconds()
        drawn = [
            backoff.delay(failures, remaining=remaining, draw=random.uniform).total_seconds()
            for _ in range(DRAWS)
        ]
        beyond += sum(each > longest or each < 0 for each in drawn)
        worst = min(worst, _kolmogorov(sorted(each / longest for each in drawn)))
    return Found(
        beyond == 0 and worst > 0.01,
        {"draws": 5 * DRAWS, "beyond_cap": beyond, "smallest_ks_p": round(worst, 3)},
    )


def _eighth(remaining: timedelta | None) -> list[timedelta]:
    return [remaining / 8] if remaining else []


def _kolmogorov(ordered: list[float]) -> float:
    """How likely draws from a uniform distribution lie this far from it, or farther.

    Source: Kolmogorov's limit, with Stephens' correction for a finite number.
    """
    n = len(ordered)
    far = max(max((rank + 1) / n - each, each - rank / n) for rank, each in enumerate(ordered))
    scaled = (math.sqrt(n) + 0.12 + 0.11 / math.sqrt(n)) * far
    terms = (2 * (-1) ** (k - 1) * math.exp(-2 * k * k * scaled * scaled) for k in range(1, 101))
    return min(1.0, max(0.0, sum(terms)))
