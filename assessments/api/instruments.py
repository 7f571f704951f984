"""Libraries of what scans measure with: list, read and register."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Field, Router, Schema, Status

from assessments import queries
from assessments.api.kinds import Seconds
from assessments.models import PromptSuite, Sae, WatchList
from assessments.services import sae as saes
from assessments.services import suite as suites
from assessments.services import suite_file, waiting, watchlist_file
from assessments.services import watchlist as watchlists
from assessments.services.suite import Sensitivity
from compliance import queries as ground
from compliance.actors import Actor, require
from compliance.permissions import Permission
from compliance.views.http import actor, fetch
from compliance.views.idempotency import once
from compliance.views.paging import cut

router = Router()


class SaeIn(Schema):
    """Where an autoencoder lies on the server; a worker opens it."""

    name: str = Field(min_length=1, max_length=200)
    path: str = Field(max_length=400)
    layout: str = Field("", max_length=40)
    made_for: UUID | None = None


class SaeOut(Schema):
    """An autoencoder. Until `state` is `ready`, digest and figures are empty."""

    uuid: UUID
    name: str
    state: str
    problem: str
    same_as: UUID | None
    sha256: str
    layout: str
    architecture: str
    hook_name: str
    hook_name_out: str
    d_in: int
    d_sae: int
    d_out: int
    declared: dict[str, Any]
    doubts: list[str]
    not_evidence: str
    hindrance: str
    """Why nothing can be scanned with it, in words; empty where it can."""
    self_check: dict[str, Any] | None
    registered_at: datetime
    checked_at: datetime | None


class WatchListIn(Schema):
    """The latents that matter, as `data/watchlist_smollm2.json` has them."""

    sae: UUID
    name: str = Field(min_length=1, max_length=watchlists.LONGEST_NAME)
    latents: list[Any]
    reason: str = Field("", max_length=2000)


class WatchListOut(Schema):
    """One number of a watch-list."""

    uuid: UUID
    name: str
    number: int
    sae: UUID
    sae_sha256: str
    sha256: str
    n_latents: int
    reason: str
    registered_at: datetime


class WatchListFull(WatchListOut):
    """The same with its latents."""

    latents: list[dict[str, Any]]


class SuiteIn(Schema):
    """Prompts, each with the columns of a suite file."""

    name: str = Field(min_length=1, max_length=suites.LONGEST_NAME)
    sensitivity: Sensitivity | None = None
    prompts: list[Any]
    reason: str = Field("", max_length=2000)


class SuiteOut(Schema):
    """One number of a prompt suite, without its prompts."""

    uuid: UUID
    name: str
    number: int
    sensitivity: str
    n_prompts: int
    n_pairs: int
    sha256: str
    reason: str
    registered_at: datetime


class SuiteFull(SuiteOut):
    """The same with its prompts; null where they are hidden."""

    prompts: list[dict[str, Any]] | None


class ReasonIn(Schema):
    """Why, for the record."""

    reason: str = Field(min_length=1, max_length=2000)


class SaePage(Schema):
    """Autoencoders, newest first."""

    items: list[SaeOut]
    next: str | None


class WatchListPage(Schema):
    """Watch-lists, newest first."""

    items: list[WatchListOut]
    next: str | None


class SuitePage(Schema):
    """Prompt suites, newest first."""

    items: list[SuiteOut]
    next: str | None


def plain(row: Any, names: Any, **more: Any) -> dict[str, Any]:
    """Columns of a row, ready to be remembered as JSON."""
    found = {name: more[name] if name in more else getattr(row, name) for name in names}
    return {
        name: value.isoformat()
        if isinstance(value, datetime)
        else str(value)
        if isinstance(value, UUID)
        else value
        for name, value in found.items()
    }


def sae_out(found: Sae) -> dict[str, Any]:
    """An autoencoder as the API says it."""
    same_as = found.same_as.uuid if found.same_as else None
    hindrance = saes.hindrance(found)
    return plain(found, SaeOut.model_fields, same_as=same_as, hindrance=hindrance)


def watchlist_out(found: WatchList, kind: type[Schema] = WatchListOut) -> dict[str, Any]:
    """A watch-list as the API says it."""
    return plain(
        found,
        kind.model_fields,
        sae=found.sae.uuid,
        sae_sha256=found.sae.sha256,
        n_latents=len(found.latents),
    )


def suite_out(found: PromptSuite) -> dict[str, Any]:
    """A suite as the API says it."""
    return plain(found, SuiteOut.model_fields)


def reading(request: HttpRequest) -> Actor:
    """The caller, who may read what scans measure with."""
    require(actor(request), Permission.SCAN_READ)
    return actor(request)


@router.get("/saes", response=SaePage)
def sae_list(request: HttpRequest, cursor: str | None = None, limit: int = 50) -> dict[str, Any]:
    """Autoencoders that the caller may see."""
    page = cut(queries.saes_for(reading(request)), cursor, limit)
    return {"items": [sae_out(row) for row in page.rows], "next": page.next}


@router.post("/saes", response={201: SaeOut})
def sae_register(request: HttpRequest, body: SaeIn) -> Status[dict[str, Any]]:
    """Register an autoencoder below STRATA_SAE_ROOT. Needs an Idempotency-Key."""
    who = actor(request)
    require(who, Permission.WATCHLIST_WRITE)
    path = saes.place(body.path)
    saes.expect_inside(path)
    version = fetch(ground.versions_for(who), uuid=body.made_for) if body.made_for else None

    def work() -> dict[str, Any]:
        return sae_out(saes.register(body.name, path, layout=body.layout, made_for=version, by=who))

    return once(request, work)


@router.get("/saes/{uuid}", response=SaeOut)
def sae_one(request: HttpRequest, uuid: UUID, wait: Seconds = 0) -> dict[str, Any]:
    """One autoencoder; with `wait`, once it is checked or so many seconds have passed."""
    rows = queries.saes_for(actor(request))
    found = fetch(rows, uuid=uuid)
    if wait and not saes.is_over(found):
        waiting.until(lambda: saes.is_over(rows.get(pk=found.pk)), seconds=wait)
        found = rows.get(pk=found.pk)
    return sae_out(found)


@router.get("/watchlists", response=WatchListPage)
def watchlist_list(
    request: HttpRequest, name: str = "", cursor: str | None = None, limit: int = 50
) -> dict[str, Any]:
    """Watch-lists that the caller may see, all numbers; of one name when asked."""
    rows = queries.watchlists_for(reading(request))
    page = cut(rows.filter(name=name) if name else rows, cursor, limit)
    return {"items": [watchlist_out(row) for row in page.rows], "next": page.next}


@router.post("/watchlists", response={201: WatchListOut})
def watchlist_register(request: HttpRequest, body: WatchListIn) -> Status[dict[str, Any]]:
    """Register the next number of a watch-list. Needs an Idempotency-Key."""
    who = actor(request)
    require(who, Permission.WATCHLIST_WRITE)
    sae = fetch(queries.saes_for(who), uuid=body.sae)

    def work() -> dict[str, Any]:
        latents = watchlist_file.from_rows(body.latents)
        return watchlist_out(
            watchlists.register(sae, body.name, latents, reason=body.reason, by=who)
        )

    return once(request, work)


@router.get("/watchlists/{uuid}", response=WatchListFull)
def watchlist_one(request: HttpRequest, uuid: UUID) -> dict[str, Any]:
    """One number of a watch-list, with its latents."""
    found = fetch(queries.watchlists_for(actor(request)), uuid=uuid)
    return watchlist_out(found, WatchListFull)


@router.get("/suites", response=SuitePage)
def suite_list(
    request: HttpRequest, name: str = "", cursor: str | None = None, limit: int = 50
) -> dict[str, Any]:
    """Prompt suites that the caller may see, all numbers; of one name when asked."""
    rows = queries.suites_for(reading(request)).defer("prompts")
    page = cut(rows.filter(name=name) if name else rows, cursor, limit)
    return {"items": [suite_out(row) for row in page.rows], "next": page.next}


@router.post("/suites", response={201: SuiteOut})
def suite_register(request: HttpRequest, body: SuiteIn) -> Status[dict[str, Any]]:
    """Register the next number of a prompt suite. Needs an Idempotency-Key."""
    who = actor(request)
    require(who, Permission.WATCHLIST_WRITE)

    def work() -> dict[str, Any]:
        made = suites.register(
            body.name,
            suite_file.from_rows(body.prompts),
            sensitivity=body.sensitivity,
            reason=body.reason,
            by=who,
        )
        return suite_out(made)

    return once(request, work)


@router.get("/suites/{uuid}", response=SuiteFull)
def suite_one(request: HttpRequest, uuid: UUID) -> dict[str, Any]:
    """One number of a prompt suite, with its prompts unless they are hidden."""
    found = fetch(queries.suites_for(actor(request)), uuid=uuid)
    prompts = None if found.is_hidden else found.prompts
    return {**suite_out(found), "prompts": prompts}


@router.post("/suites/{uuid}/reveal", response=SuiteFull)
def suite_reveal(request: HttpRequest, uuid: UUID, body: ReasonIn) -> dict[str, Any]:
    """The prompts of a hidden suite, for a reason; each call is written into the record."""
    who = actor(request)
    found = fetch(queries.suites_for(who), uuid=uuid)
    if not body.reason.strip():
        raise suites.SuiteError(_("Say why the texts have to be read; it stands in the record."))
    shown = suites.reveal(found, reason=body.reason, by=who)
    return {**suite_out(found), "prompts": [prompt.to_json() for prompt in shown]}
