"""Standing authorisations to file unattended: written, for one regime, for a time, by two people.

Nothing goes out without a person unless one of these covers the regime, the stage, the kind of
report and the authority, at that moment. Each report that goes out under one names it in the log.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import translation
from django.utils.translation import gettext as _

from compliance.actors import Actor, require, system
from compliance.audit.advance import advance
from compliance.audit.log import record
from compliance.clock import now, stamp
from compliance.hostile import clean
from compliance.machines import TransitionRefused
from compliance.models import ApprovalRequest, ReleaseAuthorisation, Report
from compliance.permissions import NotAllowed, Permission
from compliance.phrase import said
from compliance.regimes import authorities, load
from compliance.regimes.schema import Regime, Stage
from compliance.services import approval, digest, subject
from compliance.states import RELEASE

PURPOSE = "release"
CLERK = system("clerk")
LONGEST_LIFE = timedelta(days=180)
LONGEST_REASONS = 4_000
NO_AUTHORITY = "-"
"""In a scope: reports that name no authority."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What may go out: every part must name something, and a report must fit every part."""

    stages: tuple[str, ...]
    reports: tuple[str, ...]
    authorities: tuple[str, ...]

    def as_json(self) -> dict[str, list[str]]:
        """The form that is kept and that the digest covers."""
        return {
            "stages": sorted(set(self.stages)),
            "reports": sorted(set(self.reports)),
            "authorities": sorted(set(self.authorities)),
        }


def authorities_of(regime: Regime) -> list[tuple[str, str]]:
    """Whom a scope may name for a regime: id and name; last, reports that name none."""
    ids = dict.fromkeys(name for each in regime.recipients for name in each.authorities)
    roles = {each.role for each in regime.recipients if each.role is not None}
    found = [authorities.get(name) for name in ids]
    found += [each for each in authorities.authorities() if each.role in roles]
    by_id = {each.id: said(each.name, translation) for each in found}
    return [*by_id.items(), (NO_AUTHORITY, _("reports that name no authority"))]


@transaction.atomic
def ask(
    regime: str, *, scope: Scope, reasons: str, expires_at: datetime, by: Actor
) -> ReleaseAuthorisation:
    """Ask a second person to authorise unattended filing under one regime until an instant.

    Raises:
        UnknownRegime: no such regime.
        ValueError: the scope names nothing or what the regime does not know, no reasons, or an
            expiry that has passed or lies more than 180 days ahead.
    """
    require(by, Permission.RELEASE_ASK)
    if by.user_id is None:
        raise NotAllowed(_("%(who)s is not a person; a person asks for it.") % {"who": by.label})
    pack = load.get(regime)
    _check_scope(pack, scope)
    written = clean(reasons, LONGEST_REASONS).strip()
    if not written:
        raise ValueError(_("Say why reports of this kind may go out without a person."))
    if not now() < expires_at <= now() + LONGEST_LIFE:
        raise ValueError(
            _("It ends in the future and within %(days)d days.") % {"days": LONGEST_LIFE.days}
        )
    title = _("Unattended filing: %(regime)s") % {"regime": said(pack.title, translation)}
    made = ReleaseAuthorisation.objects.create(
        subject=subject.make("release", title),
        regime=pack.key,
        scope=scope.as_json(),
        reasons=written,
        asked_by_id=by.user_id,
        asked_at=now(),
        expires_at=expires_at,
        sha256=_digest(pack.key, scope.as_json(), written, expires_at),
    )
    record(
        "release.ask",
        made,
        by=by,
        after="asked",
        note=written,
        regime=pack.key,
        scope=made.scope,
        expires_at=stamp(expires_at),
        sha256=made.sha256,
    )
    made.approval = approval.ask(
        made,
        purpose=PURPOSE,
        permission=Permission.RELEASE_APPROVE,
        title=title,
        sha256=made.sha256,
        by=by,
        expires_at=expires_at,
    )
    made.save(update_fields=["approval"])
    return made


def _check_scope(pack: Regime, scope: Scope) -> None:
    known = {
        _("stage"): (scope.stages, {str(stage.id) for stage in pack.stages}),
        _("kind of report"): (scope.reports, set(Report.What.values)),
        _("authority"): (scope.authorities, {name for name, _words in authorities_of(pack)}),
    }
    for what, (named, allowed) in known.items():
        if not named:
            raise ValueError(_("Name at least one %(what)s.") % {"what": what})
        if odd := set(named) - allowed:
            raise ValueError(
                _("%(regime)s knows no such %(what)s: %(names)s.")
                % {"regime": pack.key, "what": what, "names": ", ".join(sorted(odd))}
            )


def _digest(regime: str, scope: Mapping[str, Any], reasons: str, expires_at: datetime) -> str:
    return digest.of_json(
        {
            "v": "strata.release/v1",
            "regime": regime,
            "scope": dict(scope),
            "reasons": reasons,
            "expires_at": stamp(expires_at),
        }
    )


def digest_now(release: ReleaseAuthorisation) -> str:
    """What the authorisation hashes to as it stands; an approval must be about this."""
    return _digest(release.regime, release.scope, release.reasons, release.expires_at)


@transaction.atomic
def give(release: ReleaseAuthorisation, *, by: Actor) -> None:
    """A second person authorises exactly this.

    Raises:
        NotAllowed: without the permission, or the asker.
        TransitionRefused: answered already, expired, or changed since it was asked.
    """
    if release.expires_at <= now():
        raise TransitionRefused(_("It has expired; ask anew."))
    waiting = _waiting(release)
    advance(
        release,
        RELEASE,
        "give",
        by=by,
        changes={"given_at": now()},
        regime=release.regime,
        scope=release.scope,
        expires_at=stamp(release.expires_at),
        sha256=release.sha256,
    )
    approval.give(waiting, sha256_now=digest_now(release), by=by)


def _waiting(release: ReleaseAuthorisation) -> ApprovalRequest:
    if release.approval is None:
        raise TransitionRefused(_("Nobody was asked to approve it."))
    return release.approval


@transaction.atomic
def refuse(release: ReleaseAuthorisation, *, note: str, by: Actor) -> None:
    """A second person says no, with the reason."""
    waiting = _waiting(release)
    approval.refuse(waiting, by=by, note=note)
    advance(release, RELEASE, "refuse", by=by, note=note, sha256=release.sha256)


@transaction.atomic
def take_back(release: ReleaseAuthorisation, *, by: Actor) -> None:
    """Whoever asks withdraws it before it is answered."""
    advance(release, RELEASE, "take_back", by=by, sha256=release.sha256)
    approval.void(release, PURPOSE, by=by)


@transaction.atomic
def revoke(release: ReleaseAuthorisation, *, note: str, by: Actor) -> None:
    """From this moment on nothing goes out under it. What is on its way is not called back."""
    advance(
        release,
        RELEASE,
        "revoke",
        by=by,
        note=note,
        changes={"revoked_at": now(), "revoked_by_id": by.user_id},
        sha256=release.sha256,
    )
    approval.void(release, PURPOSE, by=by)


def expire_due(at: datetime | None = None, *, by: Actor = CLERK) -> int:
    """End what has run out; how many did."""
    over = ReleaseAuthorisation.objects.filter(
        state__in=["asked", "given"], expires_at__lte=at or now()
    )
    rows = list(over)
    for each in rows:
        _expire(each, by)
    return len(rows)


@transaction.atomic
def _expire(release: ReleaseAuthorisation, by: Actor) -> None:
    advance(release, RELEASE, "expire", by=by, sha256=release.sha256)
    approval.void(release, PURPOSE, by=by)


def covering(report: Report, at: datetime | None = None) -> ReleaseAuthorisation | None:
    """The authorisation under which this report may go out without a person now, if there is one.

    It is given, has not expired, its approval holds for exactly what it says, and every part of its
    scope names what the report has.
    """
    moment = at or now()
    standing = ReleaseAuthorisation.objects.filter(
        regime=report.regime, state="given", expires_at__gt=moment
    )
    for each in standing.order_by("expires_at"):
        if covers(each.scope, report) and approval.holds(each, PURPOSE, digest_now(each)):
            return each
    return None


def covers(scope: Mapping[str, Any], report: Report) -> bool:
    """Whether every part of a scope names what the report has; a part that is empty names nothing."""
    return (
        report.stage in scope.get("stages", ())
        and report.what in scope.get("reports", ())
        and (report.authority or NO_AUTHORITY) in scope.get("authorities", ())
    )


def stage_of(report: Report) -> Stage | None:
    """The stage in the pinned regime, if that is still on file."""
    try:
        return load.get(f"{report.regime}@{report.regime_version}").stage(report.stage)
    except (KeyError, load.UnknownRegime):
        return None


def takes_incomplete(report: Report) -> bool:
    """Whether the regime lets this stage go out with fields still open."""
    stage = stage_of(report)
    return stage is not None and stage.accepts_incomplete


def names(values: Iterable[str], words: Mapping[str, str]) -> str:
    """The parts of a scope in words."""
    return ", ".join(words.get(value, value) for value in values)
