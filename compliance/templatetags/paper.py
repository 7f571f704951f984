"""What templates of paper ask for: instants written out with their zone."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from django import template
from django.utils import formats

register = template.Library()


@register.filter
def instant(text: str, zone: str = "UTC") -> str:
    """An ISO 8601 instant as date and time in a zone, the zone named; a dash for none."""
    if not text:
        return "\u2013"
    local = datetime.fromisoformat(text).astimezone(ZoneInfo(zone or "UTC"))
    return f"{formats.date_format(local, 'j F Y, H:i')} {local.tzname()}".replace(" ", "\u00a0", 2)
