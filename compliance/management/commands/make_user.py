"""Make an account: the first one, or any other."""

from __future__ import annotations

import getpass
import sys
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from compliance.actors import system
from compliance.models import User
from compliance.permissions import Role
from compliance.services import account


class Command(BaseCommand):
    """The password is read from the terminal, or from standard input when it is piped."""

    help = "Make a person with roles."

    def add_arguments(self, parser: CommandParser) -> None:
        """E-mail, name, roles and zone."""
        parser.add_argument("email")
        parser.add_argument("name")
        parser.add_argument(
            "--role", action="append", choices=[r.value for r in Role], required=True
        )
        parser.add_argument(
            "--zone", default="Europe/Berlin", help="IANA zone, such as Europe/Berlin"
        )

    def handle(self, *_: Any, email: str, name: str, role: list[str], zone: str, **__: Any) -> None:
        """Validate, then make."""
        if User.objects.filter(email=email.lower()).exists():
            raise CommandError(f"{email} has an account already.")
        password = getpass.getpass() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
        try:
            validate_password(password)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        account.make(
            email,
            name,
            [Role(r) for r in role],
            password=password,
            zone=zone,
            by=system("make_user"),
        )
        self.stdout.write(f"Made {email} with {', '.join(role)}.")
