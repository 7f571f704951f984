"""Sentences that rooms without Django make, and how they are said in the reader's language.

A `Phrase` is its English text, so that JSON, digests and the command line stay as they are. Beside
it stand the template and what filled it: from these `said` makes the same sentence anew. What is
kept in the database is `kept`, which `said` reads as well.

`manage.py makemessages` finds the templates by the names `Phrase` and `counted`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol, Self


class Language(Protocol):
    """What says a template in the reader's language: `django.utils.translation` does."""

    def gettext(self, message: str, /) -> str:
        """One template."""
        ...

    def ngettext(self, singular: str, plural: str, number: int, /) -> str:
        """The template that fits a number."""
        ...


class Phrase(str):
    """English text for people, with the template and the values it was made from."""

    __slots__ = ("plural", "template", "values")

    template: str
    plural: str
    values: Mapping[str, object]

    def __new__(cls, template: str, /, **values: object) -> Self:
        """Fill the template's blanks, `%(name)s`; without values it stands as it is."""
        made = super().__new__(cls, template % values if values else template)
        made.template, made.plural, made.values = template, "", values
        return made

    def kept(self) -> str | dict[str, Any]:
        """The form for a JSON column: the template alone where nothing fills it."""
        return self.form() if self.values else self.template

    def form(self) -> dict[str, Any]:
        """Template and values. Inside another phrase even a bare template is one."""
        form: dict[str, Any] = {"say": self.template}
        if self.plural:
            form["plural"] = self.plural
        if self.values:
            form["with"] = {
                name: value.form() if isinstance(value, Phrase) else value
                for name, value in self.values.items()
            }
        return form


def counted(singular: str, plural: str, /, n: int, **values: object) -> Phrase:
    """A phrase about a number, `%(n)s`, in the form that fits it."""
    made = Phrase(singular if n == 1 else plural, n=n, **values)
    made.template, made.plural = singular, plural
    return made


def listed(phrases: Iterable[str], between: str = ", ") -> Phrase:
    """Several phrases in a row; each is said on its own."""
    parts = {f"p{place}": each for place, each in enumerate(phrases)}
    return Phrase(between.join(f"%({name})s" for name in parts), **parts)


def kept(text: str) -> str | dict[str, Any]:
    """What is kept of a text that may be a phrase."""
    return text.kept() if isinstance(text, Phrase) else text


def said(phrase: object, language: Language) -> str:
    """A phrase, kept or fresh, in a language. Plain text is looked up as a template of its own."""
    form = phrase.kept() if isinstance(phrase, Phrase) else phrase
    if not isinstance(form, Mapping):
        return language.gettext(str(form))
    filled = {
        name: said(value, language) if isinstance(value, Mapping) else value
        for name, value in form.get("with", {}).items()
    }
    if "plural" in form:
        template = language.ngettext(form["say"], form["plural"], int(filled["n"]))
    else:
        template = language.gettext(form["say"])
    return template % filled if filled else template
