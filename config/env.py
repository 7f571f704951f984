"""Read the environment, loudly when it is wrong. A secret may stand in a file: NAME_FILE."""

from __future__ import annotations

import os
import re
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

TRUE, FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off", ""}


def env_str(name: str, default: str = "") -> str:
    """The variable, or the default."""
    return os.environ.get(name, default)


def env_bool(name: str, *, default: bool) -> bool:
    """1/0, true/false, yes/no, on/off."""
    raw = os.environ.get(name)
    if raw is None:
        return default
    if raw.lower() in TRUE:
        return True
    if raw.lower() in FALSE:
        return False
    raise ImproperlyConfigured(f"{name}: expected true or false, came {raw!r}.")


def env_int(name: str, default: int) -> int:
    """A whole number."""
    raw = os.environ.get(name)
    if raw is None:
        return default
    try:
        return int(raw)
    except ValueError:
        raise ImproperlyConfigured(f"{name}: expected a whole number, came {raw!r}.") from None


def env_device(name: str) -> str:
    """What a scan worker computes on: `cpu`, `cuda`, or several devices as `cuda:0-3`."""
    raw = os.environ.get(name, "cpu")
    if not re.fullmatch(r"cpu|cuda|cuda:\d-\d", raw, re.ASCII):
        raise ImproperlyConfigured(f"{name}: expected cpu, cuda or cuda:0-3; came {raw!r}.")
    return raw


def env_oid(name: str) -> str:
    """An object identifier in dots, as 1.3.6.1.4.1.4146.2.3; empty when it is not set."""
    raw = os.environ.get(name, "").strip()
    if raw and not re.fullmatch(r"[0-2](?:\.(?:0|[1-9]\d*))+", raw, re.ASCII):
        raise ImproperlyConfigured(f"{name}: expected an OID, as 1.2.3.4; came {raw!r}.")
    return raw


class Price(NamedTuple):
    """An amount of money."""

    amount: Decimal
    currency: str


def env_price(name: str) -> Price | None:
    """An amount and its currency, as `2.50 EUR`; None when it is not set."""
    raw = os.environ.get(name, "").strip()
    if not raw:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ([A-Z]{3})", raw, re.ASCII)
    if found is None:
        raise ImproperlyConfigured(
            f"{name}: expected an amount and a currency, as 2.50 EUR; came {raw!r}."
        )
    return Price(Decimal(found[1]), found[2])


def env_list(name: str, default: str = "") -> list[str]:
    """Comma-separated words."""
    return [word.strip() for word in os.environ.get(name, default).split(",") if word.strip()]


def env_secret(name: str) -> str:
    """The variable NAME, or the first line of the file NAME_FILE; empty when neither is set."""
    if path := os.environ.get(f"{name}_FILE"):
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ImproperlyConfigured(f"{name}_FILE: cannot read {path}: {error}.") from error
    return os.environ.get(name, "")


def database(url: str, var: Path) -> dict[str, object]:
    """Django's DATABASES entry for postgres://…, or SQLite (sqlite:///path, or nothing)."""
    parts = urlsplit(url)
    if parts.scheme in {"", "sqlite"}:
        path = unquote(url.removeprefix("sqlite:///")) if url else str(var / "strata.sqlite3")
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": path,
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                # recursive_triggers: INSERT OR REPLACE must fire the log's DELETE triggers too.
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                " PRAGMA recursive_triggers=ON;",
            },
        }
    if parts.scheme not in {"postgres", "postgresql"}:
        raise ImproperlyConfigured(
            f"DATABASE_URL: expected postgres://… or sqlite:///…, came {parts.scheme}://…"
        )
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.lstrip("/"),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": str(parts.port or ""),
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        # Pages ask many short questions with many joins; compiling one takes longer than answering.
        "OPTIONS": {"options": "-c jit=off"},
    }
