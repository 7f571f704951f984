"""People, the roles they hold, and the tokens machines use."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models

from compliance.ids import uuid7
from compliance.models.base import Public
from compliance.models.subject import Subject
from compliance.permissions import Role


class People(BaseUserManager["User"]):
    """Makes people; there is no superuser, because nothing may walk past the services."""

    def create_user(self, email: str, name: str, password: str | None = None, **extra: Any) -> User:
        """A person with a usable or (without password) an unusable password."""
        person = self.model(email=self.normalize_email(email).lower(), name=name, **extra)
        person.set_password(password)
        person.save(using=self._db)
        return person

    def get_by_natural_key(self, username: str | None) -> User:
        """Sign-in names are e-mail addresses, whatever their case."""
        return self.get(email=(username or "").lower())


class User(AbstractBaseUser):
    """A person. Their `uuid` is the pseudonym that enters the log."""

    kind: ClassVar[str] = "person"

    uuid = models.UUIDField(default=uuid7, unique=True, editable=False)
    subject = models.OneToOneField(Subject, models.PROTECT, related_name="person", null=True)
    email = models.EmailField(unique=True)
    name = models.CharField(max_length=120)
    zone = models.CharField(max_length=60, default="Europe/Berlin")
    theme = models.CharField(max_length=8, default="auto")
    is_active = models.BooleanField(default=True)
    date_joined = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[People] = People()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]

    def __str__(self) -> str:
        return self.name

    def get_full_name(self) -> str:
        """The name, for libraries that ask this way."""
        return self.name


class RoleHeld(models.Model):
    """One role that one person holds."""

    person = models.ForeignKey(User, models.CASCADE, related_name="roles")
    role = models.CharField(max_length=30, choices=[(r.value, r.value) for r in Role])
    since = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["person", "role"], name="role_once"),)


class ApiToken(Public):
    """A machine's key. Only its SHA-256 is kept; the text was shown once."""

    kind = "token"

    subject = models.OneToOneField(Subject, models.PROTECT, related_name="api_token")
    label = models.CharField(max_length=120)
    prefix = models.CharField(max_length=12)
    sha256 = models.CharField(max_length=64, unique=True)
    scopes = models.JSONField(default=list)
    deployment = models.ForeignKey(
        "compliance.Deployment", models.PROTECT, null=True, blank=True, related_name="tokens"
    )
    made_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    made_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)


class IdempotencyKey(models.Model):
    """What a creating call answered, so that the same key answers the same again."""

    caller = models.UUIDField()
    key = models.CharField(max_length=200)
    request_sha256 = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField()
    body = models.JSONField()
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["caller", "key"], name="idempotency_once"),)
