"""A page with one form and nothing else: registering, declaring, attesting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from compliance.views.http import page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django import forms
    from django.http import HttpRequest, HttpResponse
    from django.utils.functional import Promise

    Text = str | Promise


class Crumb(NamedTuple):
    """One step of the way to this page."""

    label: Text
    url: str = ""


def sent(request: HttpRequest) -> Any:
    """What was sent, or None while the form is only looked at."""
    return request.POST if request.method == "POST" else None


def form_page(
    request: HttpRequest,
    form: forms.Form,
    *,
    title: Text,
    verb: Text,
    back: str,
    lead: Text = "",
    crumbs: Sequence[Crumb] = (),
) -> HttpResponse:
    """The form, or the form again with what is wrong (422)."""
    context = {
        "form": form,
        "title": title,
        "verb": verb,
        "back": back,
        "lead": lead,
        "crumbs": [*crumbs, Crumb(title)] if crumbs else [],
    }
    return page(request, "compliance/form.html", context, status=422 if form.errors else 200)
