"""Who answers for a deadline: an owner, and a deputy in the owner's place."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from compliance.actors import Actor, require
from compliance.audit.log import record
from compliance.machines import TransitionRefused
from compliance.models import ClockInstance, User
from compliance.permissions import Permission


@transaction.atomic
def assign(
    clock: ClockInstance, *, owner: User | None, deputy: User | None = None, by: Actor
) -> None:
    """Put somebody in charge of a clock that stands; None takes the charge away.

    Raises:
        NotAllowed: without the permission to manage duties.
        TransitionRefused: the clock was recomputed since.
        ValueError: the deputy is the owner, or stands for nobody.
    """
    require(by, Permission.DUTY_MANAGE, clock.subject)
    if deputy is not None and (owner is None or owner.pk == deputy.pk):
        raise ValueError(_("A deputy stands for an owner, and is somebody else."))
    current = ClockInstance.objects.select_for_update().get(pk=clock.pk)
    if current.replaced_by_id is not None:
        raise TransitionRefused(_("This clock was recomputed since; open the one that stands."))
    before = (current.owner_id, current.deputy_id)
    if before == (owner.pk if owner else None, deputy.pk if deputy else None):
        return
    current.owner, current.deputy = owner, deputy
    current.save(update_fields=["owner", "deputy"])
    clock.owner, clock.deputy = owner, deputy
    record(
        "clock.assign",
        current,
        by=by,
        regime=f"{current.regime}@{current.regime_version}",
        stage=current.stage,
        owner=str(owner.uuid) if owner else None,
        deputy=str(deputy.uuid) if deputy else None,
    )
