"""How people come in: nobody signs up by themselves, and strangers from an IdP stay outside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.utils import user_email
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from django.shortcuts import render
from typing_extensions import override

from compliance import queries
from compliance.services import account

if TYPE_CHECKING:
    from django.http import HttpRequest


class NoSignUpAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth ships no types
    """Accounts are made by a person who manages accounts, or by `manage.py make_user`.

    Every way in (password, passkey, single sign-on) ends in `login`, so the record is written here.
    """

    @override
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Never."""
        return False

    @override
    def login(self, request: HttpRequest, user: Any) -> None:
        """Open the session and write it down."""
        super().login(request, user)
        account.signed_in(user)

    @override
    def logout(self, request: HttpRequest) -> None:
        """Close the session; who went must be known before they are gone."""
        leaving = request.user
        super().logout(request)
        if leaving.is_authenticated:
            account.signed_out(leaving)

    @override
    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        """A wrong password; the address is looked up and goes nowhere else."""
        super().authentication_failed(request, **credentials)
        account.sign_in_failed(str(credentials.get("email", "")))


class KnownPeopleOnlyAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]  # allauth ships no types
    """Single sign-on opens existing accounts, matched by verified e-mail; it makes none."""

    @override
    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:
        """Never."""
        return False

    @override
    def pre_social_login(self, request: HttpRequest, sociallogin: Any) -> None:
        """Connect a verified address to the person who has it; turn others away with a reason."""
        if sociallogin.is_existing:
            return
        verified = {a.email.lower() for a in sociallogin.email_addresses if a.verified}
        address = (user_email(sociallogin.user) or "").lower()
        person = queries.person_by_email(address) if address in verified else None
        if person is None:
            raise ImmediateHttpResponse(
                render(request, "socialaccount/unknown_person.html", status=403)
            )
        sociallogin.connect(request, person)
