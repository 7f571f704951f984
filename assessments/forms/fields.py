"""Fields and boxes that several forms use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms

if TYPE_CHECKING:
    from django.db.models import QuerySet

LONGEST_TEXT = 4000


def lines(n: int) -> forms.Textarea:
    """A box for several lines."""
    return forms.Textarea(attrs={"rows": n})


def offer(form: forms.Form, name: str, rows: QuerySet[Any]) -> None:
    """Let a field of the form choose among these rows alone."""
    field = form.fields[name]
    assert isinstance(field, forms.ModelChoiceField)  # noqa: S101 - says it to the checker
    field.queryset = rows
