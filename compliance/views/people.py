"""People with their roles, and the tokens that machines use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.shortcuts import redirect
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST, require_safe

from compliance import queries
from compliance.actors import require
from compliance.clock import now
from compliance.forms.accounts import ROLE_WORDS, PersonForm, RolesForm, TokenForm
from compliance.permissions import Permission, Role, permissions_of
from compliance.services import account
from compliance.views import shown
from compliance.views.form_page import Crumb, form_page, sent
from compliance.views.http import actor, fetch, page
from compliance.views.inventory import form_methods, with_next_step
from compliance.views.tables import Badge, Column, Empty, Kind, Table

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest, HttpResponse

    from compliance.models import ApiToken, User


def settings_crumb() -> Crumb:
    """The first step of every way below the settings."""
    return Crumb(_("Settings"), shown.url("compliance:settings"))


def roles_text(person: User) -> str:
    """The roles in words."""
    held = [ROLE_WORDS[Role(one.role)] for one in person.roles.all()]
    return ", ".join(str(word) for word in held) or _now("no role")


PEOPLE = Table(
    caption=_("People"),
    name="people",
    columns=(
        Column("name", _("Name"), sort="name", url=lambda row: shown.url("compliance:person", row.uuid)),
        Column("email", _("E-mail address"), sort="email"),
        Column("roles", _("Roles"), value=roles_text),
        Column("zone", _("Zone"), sort="zone", shown=False),
        Column("last_login", _("Last sign-in"), kind=Kind.TIME, sort="last_login"),
        Column("is_active", _("State"), kind=Kind.BADGE,
               value=lambda row: Badge(_("active"), "ok") if row.is_active else Badge(_("closed"), "neutral")),
    ),
    search=("name", "email"),
    order=("name",),
)  # fmt: skip


def token_badge(token: ApiToken) -> Badge:
    """Whether the token still works."""
    if token.revoked_at is not None:
        return Badge(_("revoked"), "neutral")
    if token.expires_at is not None and token.expires_at <= now():
        return Badge(_("expired"), "stale")
    return Badge(_("works"), "ok")


TOKENS = Table(
    caption=_("API tokens"),
    name="tokens",
    columns=(
        Column("label", _("Label"), sort="label", url=lambda row: shown.url("compliance:token", row.uuid)),
        Column("prefix", _("Begins with"), kind=Kind.REFERENCE),
        Column("state", _("State"), value=token_badge, kind=Kind.BADGE),
        Column("scopes", _("May do"), value=lambda row: ", ".join(row.scopes)),
        Column("deployment", _("Deployment"), value=lambda row: row.deployment.key if row.deployment else ""),
        Column("last_used_at", _("Last used"), kind=Kind.TIME, sort="last_used_at"),
        Column("expires_at", _("Expires"), kind=Kind.TIME, sort="expires_at"),
    ),
    search=("label", "prefix", "deployment__key"),
    order=("-pk",),
    empty=Empty(
        _("No token yet."),
        _("A token lets a machine send telemetry or ask the gate, and nothing beyond its scopes."),
    ),
)  # fmt: skip


@require_safe
def people(request: HttpRequest) -> HttpResponse:
    """Everybody with an account, for those who manage accounts."""
    who = actor(request)
    require(who, Permission.ACCOUNT_MANAGE)
    context = {
        "table": PEOPLE.page(queries.people_for(who), request),
        "crumbs": [settings_crumb(), Crumb(_("People"))],
        "action": {
            "label": _("Make an account"),
            "url": shown.url("compliance:new_person"),
            "icon": "plus",
        },
    }
    return page(request, "compliance/people.html", context)


@form_methods
def new_person(request: HttpRequest) -> HttpResponse:
    """Make an account."""
    who = actor(request)
    require(who, Permission.ACCOUNT_MANAGE)
    form = PersonForm(sent(request))
    if form.is_valid():
        entered = form.cleaned_data
        made = account.make(
            entered["email"],
            entered["name"],
            [Role(role) for role in entered["roles"]],
            password=entered["password"] or None,
            zone=entered["zone"],
            by=who,
        )
        messages.success(request, _now("Made an account for %s.") % made.name)
        return redirect("compliance:person", uuid=made.uuid)
    return form_page(
        request,
        form,
        title=_("Make an account"),
        verb=_("Make account"),
        back=shown.url("compliance:people"),
        crumbs=[settings_crumb(), Crumb(_("People"), shown.url("compliance:people"))],
    )


@require_safe
def person(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """One person: roles, what those allow, and grants on single things."""
    who = actor(request)
    found = fetch(queries.people_for(who), uuid=uuid)
    held = [one.role for one in found.roles.all()]
    may_manage = who.may(Permission.ACCOUNT_MANAGE)
    is_self = found.pk == who.user_id or (may_manage and bool(who.shares_with(found.pk)))
    context = {
        "person": found,
        "crumbs": [
            settings_crumb(),
            Crumb(_("People"), shown.url("compliance:people") if may_manage else ""),
            Crumb(found.name),
        ],
        "is_self": is_self,
        "form": RolesForm(initial={"roles": held}) if may_manage and not is_self else None,
        "roles_text": roles_text(found),
        "allowed": sorted(permissions_of(held)),
        "grants": found.grants.select_related("subject").order_by("subject__label", "permission"),
        "facts": [
            shown.Fact(_("E-mail address"), found.email),
            shown.Fact(_("Zone"), found.zone),
            shown.Fact(_("Account made"), found.date_joined, "time"),
            *(
                [shown.Fact(_("Last sign-in"), found.last_login, "time")]
                if found.last_login
                else []
            ),
            shown.Fact(_("Name in the record"), str(found.uuid), "digest"),
        ],
        "entries": shown.entries(queries.history(found, who))
        if may_manage and found.subject
        else [],
    }
    return page(request, "compliance/person.html", context)


@require_POST
def set_roles(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Replace somebody's roles; never one's own."""
    who = actor(request)
    found = fetch(queries.people_for(who), uuid=uuid)
    form = RolesForm(request.POST)
    if form.is_valid():
        account.set_roles(found, [Role(role) for role in form.cleaned_data["roles"]], by=who)
        messages.success(request, _now("The roles of %s are changed.") % found.name)
    else:
        messages.error(request, _now("Unknown role; nothing was changed."))
    return redirect("compliance:person", uuid=found.uuid)


@require_safe
def tokens(request: HttpRequest) -> HttpResponse:
    """Every API token, for those who manage them."""
    who = actor(request)
    require(who, Permission.TOKEN_MANAGE)
    new = shown.url("compliance:new_token")
    context = {
        "table": with_next_step(TOKENS, new, _("Make a token")).page(
            queries.tokens_for(who), request
        ),
        "crumbs": [settings_crumb(), Crumb(_("API tokens"))],
        "action": {"label": _("Make a token"), "url": new, "icon": "plus"},
    }
    return page(request, "compliance/tokens.html", context)


@form_methods
def new_token(request: HttpRequest) -> HttpResponse:
    """Make a token; its text is on the answer to this request and nowhere else."""
    who = actor(request)
    require(who, Permission.TOKEN_MANAGE)
    form = TokenForm(sent(request), deployments=queries.deployments_for(who).filter(state="active"))
    if form.is_valid():
        entered = form.cleaned_data
        made, text = account.make_token(
            entered["label"],
            [Permission(scope) for scope in entered["scopes"]],
            deployment=entered["deployment"],
            lives=form.lives,
            by=who,
        )
        return _shown_once(request, made, text)
    return form_page(
        request,
        form,
        title=_("Make a token"),
        verb=_("Make token"),
        back=shown.url("compliance:tokens"),
        crumbs=[settings_crumb(), Crumb(_("API tokens"), shown.url("compliance:tokens"))],
    )


def _shown_once(request: HttpRequest, made: ApiToken, text: str) -> HttpResponse:
    crumbs = [
        settings_crumb(),
        Crumb(_("API tokens"), shown.url("compliance:tokens")),
        Crumb(made.label),
    ]
    answer = page(
        request,
        "compliance/token_once.html",
        {"token": made, "text": text, "crumbs": crumbs},
        status=201,
    )
    answer["Cache-Control"] = "no-store"
    return answer


@require_safe
def token(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """One token: what it may do and when it was used."""
    who = actor(request)
    found = fetch(queries.tokens_for(who), uuid=uuid)
    bound: Any = found.deployment
    context = {
        "token": found,
        "crumbs": [
            settings_crumb(),
            Crumb(_("API tokens"), shown.url("compliance:tokens")),
            Crumb(found.label),
        ],
        "badge": token_badge(found),
        "action": {"label": _("Revoke"), "dialog": "revoke", "icon": "x"}
        if found.revoked_at is None
        else None,
        "facts": [
            shown.Fact(_("Begins with"), found.prefix),
            shown.Fact(
                _("Deployment"),
                bound.key if bound else "",
                url=shown.url("compliance:deployment", bound.uuid) if bound else "",
            ),
            shown.Fact(_("Made by"), found.made_by.name if found.made_by else ""),
            shown.Fact(_("Made"), found.made_at, "time"),
            *([shown.Fact(_("Expires"), found.expires_at, "time")] if found.expires_at else []),
            *(
                [shown.Fact(_("Last used"), found.last_used_at, "time")]
                if found.last_used_at
                else []
            ),
            *([shown.Fact(_("Revoked"), found.revoked_at, "time")] if found.revoked_at else []),
        ],
        "entries": shown.entries(queries.history(found, who)),
    }
    return page(request, "compliance/token.html", context)


@require_POST
def revoke(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """It stops working at once."""
    who = actor(request)
    found = fetch(queries.tokens_for(who), uuid=uuid)
    account.revoke_token(found, by=who)
    messages.success(request, _now("%s works no more.") % found.label)
    return redirect("compliance:token", uuid=found.uuid)
