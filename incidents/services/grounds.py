"""Why a person found what they found: for the harm, for the awareness, and for which laws apply."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from compliance.machines import TransitionRefused
from compliance.regimes import load

if TYPE_CHECKING:
    from django.utils.functional import Promise

    from incidents.models import Classification

MATTERS: Final[dict[str, Promise]] = {
    "harm": gettext_lazy("Harm"),
    "awareness": gettext_lazy("When we knew"),
    "laws": gettext_lazy("Which laws apply"),
}
"""What a clock in law rests on; none of them goes without a reason."""
CORRECTED: Final = gettext_lazy("What changed")


@dataclass(frozen=True, slots=True)
class Grounds:
    """The reasons of one classification, matter by matter."""

    harm: str = ""
    awareness: str = ""
    laws: str = ""
    corrected: str = ""
    """What changed since the last classification, and why."""
    regimes: Mapping[str, str] = field(default_factory=dict)
    """Reasons of their own, by the key of a regime; the others go by `laws`."""

    def or_else(self, general: str) -> Grounds:
        """The same, with one general reason where a matter has none of its own."""
        return replace(
            self,
            harm=self.harm.strip() or general,
            awareness=self.awareness.strip() or general,
            laws=self.laws.strip() or general,
        )

    def of_matters(self) -> Iterator[tuple[Promise, str]]:
        """Each matter in words with its reason; what changed comes first."""
        if self.corrected:
            yield CORRECTED, self.corrected
        for name, words in MATTERS.items():
            if text := getattr(self, name):
                yield words, text

    def text(self) -> str:
        """All that was typed as one text: reports in any language take it as it is."""
        return "\n".join(dict.fromkeys(text for _matter, text in self.of_matters()))

    def as_json(self) -> dict[str, Any]:
        """As a classification keeps it: what was said, and nothing for what was not."""
        said = {name: getattr(self, name) for name in (*MATTERS, "corrected")}
        kept: dict[str, Any] = {name: text for name, text in said.items() if text}
        return kept | ({"regimes": dict(self.regimes)} if self.regimes else {})

    def words(self) -> dict[str, str]:
        """As the log seals it, a word for each matter and each regime."""
        said = {name: getattr(self, name) for name in (*MATTERS, "corrected")}
        said |= {f"regime {key}": text for key, text in self.regimes.items()}
        return {name: text for name, text in said.items() if text}


def of(classified: Classification) -> Grounds:
    """The reasons that a classification keeps; none by matter, if only one was given for all."""
    return Grounds(**classified.reasons_by)


def settled(given: Grounds | None, general: str) -> Grounds:
    """The reasons as they will be kept, none missing.

    Raises:
        TransitionRefused: a matter has no reason, or a regime is named that there is not.
    """
    if given is None:
        _require_all([] if general.strip() else list(MATTERS.values()))
        return Grounds()
    found = given.or_else(general.strip())
    _require_all(words for name, words in MATTERS.items() if not getattr(found, name))
    if strangers := sorted(set(given.regimes) - set(load.all_keys())):
        raise TransitionRefused(
            _("There is no regime %(key)s; a reason can only be given for one that is there.")
            % {"key": ascii(strangers[0])[:60]}
        )
    notes = {key: text.strip() for key, text in given.regimes.items() if text.strip()}
    return replace(found, corrected=given.corrected.strip(), regimes=notes)


def _require_all(missing: Iterable[Promise]) -> None:
    if lacks := [str(each) for each in missing]:
        raise TransitionRefused(
            _("Say why, in your own words: a clock starts by your finding. Missing: %(matters)s.")
            % {"matters": ", ".join(lacks)}
        )
