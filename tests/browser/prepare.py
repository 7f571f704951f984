"""Fill a house of its own for the browser: tables, the cast, one of everything, sessions.

Runs in a process of its own (`python -m tests.browser.prepare`) on the folder that STRATA_VAR
names, and prints as JSON the address of every page and a session for whoever may see it all.
"""

from __future__ import annotations

import json
import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.conf import settings
from django.core.management import call_command
from django.test import Client

from compliance.actors import system
from compliance.models import User
from compliance.permissions import Role
from compliance.services import account
from tests.crawl import crawl
from tests.furnished import furnish

CAST = {
    "ada": [Role.GOVERNANCE_LEAD],
    "bo": [Role.SAFETY_ENGINEER, Role.RESPONDER],
    "cy": [Role.AUDITOR],
    "rae": [Role.FILING_OFFICER],
}
OUTSIDE = {"account_login": "/account/login/", "account_reset_password": "/account/password/reset/"}
OWN = {
    "account_change_password": "/account/password/change/",
    "account_email": "/account/email/",
    "mfa_index": "/account/2fa/",
    "usersessions_list": "/account/sessions/",
}


def person(key: str, roles: list[Role]) -> User:
    """Somebody with these roles."""
    return account.make(f"{key}@example.org", key.title(), roles, by=system("tests"))


def main() -> dict[str, object]:
    """Fill, crawl, and say what there is."""
    call_command("migrate", verbosity=0)
    settings.ALLOWED_HOSTS.append("testserver")
    people = {key: person(key, roles) for key, roles in CAST.items()}
    house = furnish(**people)
    everybody = person("gus", [role for role in Role if role is not Role.RED_TEAMER])
    client = Client()
    client.force_login(everybody, backend="allauth.account.auth_backends.AuthenticationBackend")
    found = crawl(client, house)
    own = {name: url for name, url in OWN.items() if client.get(url).status_code == 200}
    return {
        "cookie": {
            "name": settings.SESSION_COOKIE_NAME,
            "value": client.cookies[settings.SESSION_COOKIE_NAME].value,
        },
        "pages": {**found.pages, **own},
        "outside": {
            name: url for name, url in OUTSIDE.items() if Client().get(url).status_code == 200
        },
    }


if __name__ == "__main__":
    print(json.dumps(main()))
