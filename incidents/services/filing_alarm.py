"""Wake people for filings that do not get through: the ground floor says which, the pager calls."""

from __future__ import annotations

from django.db import transaction

from compliance.actors import system
from compliance.services import filing_watch
from compliance.services.filing_watch import Need
from incidents.models import Incident
from incidents.services import paging

RINGER = system("ringer")


def ring() -> int:
    """Call once for each reason of each filing; how many reasons were new."""
    return sum(_ring(need) for need in filing_watch.needing_people())


@transaction.atomic
def _ring(need: Need) -> bool:
    """Those who file get a message; where it is about an incident, who is on call is paged too."""
    if not filing_watch.warn(need, by=RINGER):
        return False
    incident = Incident.objects.filter(uuid=need.filing.report.about_uuid).first()
    if incident is not None:
        cause = f"{need.filing.ref}:{need.mark}:{need.filing.fence}"
        paging.call(incident, cause=cause, why=filing_watch.words(need), by=RINGER)
    return True
