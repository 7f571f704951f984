"""A TOML table that knows where it stands, so that a complaint names file, entry and field."""

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from enum import StrEnum
from typing import TypeVar

from compliance.phrase import Phrase
from compliance.regimes.vocabulary import PREDICATES

Choice = TypeVar("Choice", bound=StrEnum)
Built = TypeVar("Built")


class RegimeError(ValueError):
    """A regime pack does not say what a pack must say."""


class Table:
    """A TOML table that knows where it stands, so that every complaint can name the place.

    Each field is asked for once; `close` refuses what nobody asked for, which is how a misspelt
    optional field is found.
    """

    def __init__(self, raw: Mapping[str, object], where: str, *, inherited: str = "") -> None:
        """Remember the table and the words for its place in the file.

        Args:
            raw: The table as TOML gives it.
            where: File and entry, for complaints.
            inherited: The evidence tag that an entry without one of its own takes from its pack.
        """
        self._left = dict(raw)
        self._where = where
        self.inherited = inherited

    def wrong(self, field: str, expected: str, came: object) -> RegimeError:
        """The complaint: file, entry, field, what was expected, what came."""
        return RegimeError(f"{self._where}, field {field!r}: expected {expected}, got {came!r}")

    def text(self, field: str, default: str | None = None) -> str:
        """A string that is not blank, unless the default says it may be absent."""
        value = self._left.pop(field, default)
        if not isinstance(value, str) or (not value.strip() and default is None):
            raise self.wrong(field, "a non-empty text", value)
        return value.strip()

    def words(self, field: str, default: str | None = None) -> Phrase:
        """A text for people; `makemessages` knows these fields by their names."""
        return Phrase(self.text(field, default))

    def texts(self, field: str) -> tuple[str, ...]:
        """A list of strings; absent means none."""
        value = self._left.pop(field, [])
        if not isinstance(value, list):
            raise self.wrong(field, "a list of texts", value)
        return tuple(self._each_text(field, value))

    def _each_text(self, field: str, items: list[object]) -> Iterator[str]:
        for item in items:
            if not isinstance(item, str) or not item.strip():
                raise self.wrong(field, "a list of non-empty texts", item)
            yield item

    def flag(self, field: str, *, default: bool) -> bool:
        """True or false."""
        value = self._left.pop(field, default)
        if not isinstance(value, bool):
            raise self.wrong(field, "true or false", value)
        return value

    def day(self, field: str) -> date:
        """A TOML date."""
        value = self._left.pop(field, None)
        if type(value) is not date:
            raise self.wrong(field, "a date such as 2027-01-01 without quotes", value)
        return value

    def has(self, field: str) -> bool:
        """Whether the field is there and was not asked for yet."""
        return field in self._left

    def number(self, field: str) -> float:
        """A number, whole or not."""
        value = self._left.pop(field, None)
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise self.wrong(field, "a number", value)
        return float(value)

    def optional_day(self, field: str) -> date | None:
        """A TOML date, or nothing."""
        return self.day(field) if field in self._left else None

    def positive(self, field: str) -> int | None:
        """A whole number above zero, or nothing."""
        value = self._left.pop(field, None)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
            raise self.wrong(field, "a whole number above zero", value)
        return value

    def choice(self, field: str, of: type[Choice], default: Choice | None = None) -> Choice:
        """One word of a closed vocabulary."""
        word = self.text(field, default)
        if word not in set(of):
            raise self.wrong(field, f"one of {', '.join(of)}", word)
        return of(word)

    def choices(self, field: str, of: type[Choice]) -> tuple[Choice, ...]:
        """Several words of a closed vocabulary."""
        words = self.texts(field)
        for word in words:
            if word not in set(of):
                raise self.wrong(field, f"only words from {', '.join(of)}", word)
        return tuple(of(word) for word in words)

    def predicate(self, field: str) -> str:
        """The name of a known predicate."""
        return self.known(field, self.text(field))

    def known(self, field: str, name: str) -> str:
        """The name itself, once it is known to be a predicate."""
        if name not in PREDICATES:
            raise self.wrong(field, "a predicate of the vocabulary", name)
        return name

    def table(self, field: str) -> dict[str, object]:
        """A nested table as it stands; absent means empty."""
        value = self._left.pop(field, {})
        if not isinstance(value, dict):
            raise self.wrong(field, "a table", value)
        return value

    def each(self, field: str, build: Callable[["Table"], Built]) -> tuple[Built, ...]:
        """Build one value from each entry of a list of tables, and close each entry."""
        value = self._left.pop(field, [])
        if not isinstance(value, list):
            raise self.wrong(field, f"entries written [[{field}]]", value)
        return tuple(self._entry(field, place, raw, build) for place, raw in enumerate(value, 1))

    def _entry(
        self, field: str, place: int, raw: object, build: Callable[["Table"], Built]
    ) -> Built:
        if not isinstance(raw, dict):
            raise self.wrong(field, "tables", raw)
        name = raw.get("id", raw.get("name", f"number {place}"))
        return self._closed(
            Table(raw, f"{self._where}, {field} {name}", inherited=self.inherited), build
        )

    def one(self, field: str, build: Callable[["Table"], Built]) -> Built | None:
        """Build one value from a table of its own, or nothing where there is none."""
        if field not in self._left:
            return None
        value = self._left.pop(field)
        if not isinstance(value, dict):
            raise self.wrong(field, f"a table written [{field}]", value)
        return self._closed(
            Table(value, f"{self._where}, {field}", inherited=self.inherited), build
        )

    @staticmethod
    def _closed(entry: "Table", build: Callable[["Table"], Built]) -> Built:
        built = build(entry)
        entry.close()
        return built

    def close(self) -> None:
        """Refuse fields that nobody asked for."""
        if self._left:
            field, value = next(iter(self._left.items()))
            raise self.wrong(field, "no such field here (is it misspelt?)", value)
