"""Watch-lists: which latents matter and why. A change is a new number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from assessments.models import Sae, WatchList
from assessments.scanner.contract import WatchedLatent, plain_sha256
from compliance.actors import Actor, require
from compliance.audit.log import record
from compliance.clock import now
from compliance.permissions import Permission

LONGEST_NAME = 120


class WatchListError(ValueError):
    """What was to be watched cannot be measured."""


def latents_of(watchlist: WatchList) -> tuple[WatchedLatent, ...]:
    """The watched latents of one number."""
    return tuple(WatchedLatent.from_json(raw) for raw in watchlist.latents)


def register(
    sae: Sae, name: str, latents: Iterable[WatchedLatent], *, reason: str = "", by: Actor
) -> WatchList:
    """The next number of a watch-list; an unchanged list is given back as it is.

    Raises:
        WatchListError: the autoencoder is not ready; no latents, one twice, one that it lacks, or
            no threshold; or somebody else registered a number meanwhile.
    """
    require(by, Permission.WATCHLIST_WRITE, sae.subject)
    watched = tuple(latents)
    _expect_measurable(sae, watched)
    sha256 = plain_sha256(watched)
    last = WatchList.objects.filter(name=name).order_by("-number").first()
    if last is not None and last.sha256 == sha256 and last.sae_id == sae.pk:
        return last
    try:
        return _write(sae, name, watched, sha256, last, reason, by)
    except IntegrityError as error:
        raise WatchListError(
            _(
                "Somebody registered another number of %(name)s meanwhile. Look at it, then try again."
            )
            % {"name": name}
        ) from error


@transaction.atomic
def _write(
    sae: Sae,
    name: str,
    watched: tuple[WatchedLatent, ...],
    sha256: str,
    last: WatchList | None,
    reason: str,
    by: Actor,
) -> WatchList:
    made = WatchList.objects.create(
        subject=sae.subject,
        sae=sae,
        name=name,
        number=last.number + 1 if last else 1,
        latents=[latent.to_json() for latent in watched],
        sha256=sha256,
        reason=reason,
        registered_by_id=by.user_id,
        registered_at=now(),
    )
    record(
        "watchlist.register",
        made,
        by=by,
        note=reason,
        words={"name": name},
        number=made.number,
        sha256=sha256,
        previous_sha256=last.sha256 if last else "",
        n_latents=len(watched),
    )
    return made


def drop(watchlist: WatchList, indices: Collection[int], *, reason: str, by: Actor) -> WatchList:
    """A new number out of this one without some latents, and why.

    Raises:
        WatchListError: none is dropped, one is not on the list, or none is left.
    """
    kept = tuple(each for each in latents_of(watchlist) if each.index not in indices)
    if unknown := set(indices) - {each.index for each in latents_of(watchlist)}:
        raise WatchListError(
            _("%(watchlist)s does not watch %(unknown)s.")
            % {"watchlist": watchlist, "unknown": ", ".join(map(str, sorted(unknown)[:5]))}
        )
    if not indices:
        raise WatchListError(
            _(
                "Nothing would change: choose at least one latent to drop, or leave the list as it is."
            )
        )
    return register(watchlist.sae, watchlist.name, kept, reason=reason, by=by)


def _expect_measurable(sae: Sae, watched: tuple[WatchedLatent, ...]) -> None:
    if sae.state != "ready":
        raise WatchListError(
            _("The autoencoder %(sae)s is not ready, so nobody knows which latents it has.")
            % {"sae": sae}
        )
    if not watched:
        raise WatchListError(_("A watch-list needs at least one latent; this one has none."))
    indices = [latent.index for latent in watched]
    if beyond := [index for index in indices if not 0 <= index < sae.d_sae]:
        raise WatchListError(
            _("%(name)s has latents 0 to %(last)s; the list names %(beyond)s.")
            % {"name": sae.name, "last": sae.d_sae - 1, "beyond": beyond[:5]}
        )
    if twice := sorted(each for each, n in Counter(indices).items() if n > 1):
        raise WatchListError(
            _("Latent %(twice)s stands on the list twice; name each once.") % {"twice": twice[0]}
        )
    if silent := [latent.index for latent in watched if latent.threshold <= 0]:
        raise WatchListError(
            _("A threshold must be above zero; it is not for latents %(silent)s.")
            % {"silent": silent[:5]}
        )
