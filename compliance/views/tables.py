"""A declared table: what a list page shows, and how its address sorts, filters and pages it.

A page declares once, at module level:

    VERSIONS = Table(
        caption=_("Model versions"),
        columns=(
            Column("reference", _("Reference"), kind=Kind.REFERENCE, url=version_url),
            Column("state", _("State"), value=state_badge, kind=Kind.BADGE, sort="state"),
            Column("registered_at", _("Registered"), kind=Kind.TIME, sort="registered_at"),
        ),
        filters=(Filter("state", _("State"), choices=STATES),),
        search=("reference", "model__name"),
        order=("-registered_at",),
    )

and a view hands `VERSIONS.page(queryset, request)` to `components/table.html` as `table`.
Everything a reader chooses stands in the address: sort, filters, page, columns, density.
The queryset arrives already limited to what the actor may see.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any, NamedTuple

from django.core.paginator import Paginator
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.core.paginator import Page
    from django.db.models import QuerySet
    from django.http import HttpRequest, QueryDict
    from django.utils.functional import _StrPromise

    Text = str | _StrPromise

PER_PAGE = 50
LONGEST_QUERY = 200


class Kind(StrEnum):
    """How a cell is drawn."""

    TEXT = "text"
    REFERENCE = "reference"
    NUMBER = "number"
    PERCENT = "percent"
    TIME = "time"
    MOMENT = "moment"
    """An instant to the minute, where the distance alone would not do."""
    LEFT = "left"
    """The time left on a clock, or the word for how it stands."""
    DIGEST = "digest"
    BADGE = "badge"
    STRIP = "strip"
    PROVENANCE = "provenance"


class Density(StrEnum):
    """How much air a row has."""

    COMFORTABLE = "comfortable"
    COMPACT = "compact"


class Badge(NamedTuple):
    """A word and the tone it is said in: what `components/state_badge.html` needs."""

    label: Text
    tone: str


@dataclass(frozen=True)
class Column:
    """One column: where its value comes from and how it is drawn."""

    key: str
    label: Text
    value: str | Callable[[Any], object] = ""
    """A dotted attribute path or a function of the row; empty means the key."""
    kind: Kind = Kind.TEXT
    sort: str = ""
    """The field to order by; empty means the column cannot be sorted."""
    url: Callable[[Any], str] | None = None
    shown: bool = True
    """Whether it is there before the reader chooses columns."""

    def cell(self, row: Any) -> Cell:
        """This column's cell of one row."""
        return Cell(
            self.key, self.label, self.kind, self._read(row), self.url(row) if self.url else ""
        )

    def _read(self, row: Any) -> object:
        if callable(self.value):
            return self.value(row)
        return reduce(getattr, (self.value or self.key).split("."), row)


@dataclass(frozen=True)
class Filter:
    """One way to narrow the list; only listed choices are accepted."""

    key: str
    label: Text
    choices: Sequence[tuple[str, Text]] | Callable[[], Sequence[tuple[str, Text]]]
    """A function where they are read from files: a page asks for them, an import does not."""
    lookup: str = ""
    """The field to filter on; empty means the key."""

    @property
    def offered(self) -> Sequence[tuple[str, Text]]:
        """The choices as they are now."""
        return self.choices() if callable(self.choices) else self.choices


@dataclass(frozen=True)
class BulkAction:
    """One verb for all picked rows; its page shows a preview before anything happens."""

    label: Text
    url: str
    icon: str = ""


@dataclass(frozen=True)
class Empty:
    """What an empty list teaches, with one next step."""

    title: Text
    hint: Text = ""
    url: str = ""
    action: Text = ""


class Cell(NamedTuple):
    """One drawn value."""

    key: str
    label: Text
    kind: Kind
    value: object
    url: str


class Row(NamedTuple):
    """One row: its key for picking, its address for the enter key, its cells."""

    key: str
    url: str
    cells: list[Cell]


class Head(NamedTuple):
    """One column head; `sort_url` is empty where the column cannot be sorted."""

    key: str
    label: Text
    kind: Kind
    sort_url: str
    direction: str


class Chip(NamedTuple):
    """One filter in force and the address without it."""

    label: Text
    value: Text
    remove_url: str


class Option(NamedTuple):
    """One choice in a list."""

    value: str
    label: Text
    is_chosen: bool


class Choice(NamedTuple):
    """One filter with its options."""

    key: str
    label: Text
    options: list[Option]


class Paging(NamedTuple):
    """Where the reader is in the list."""

    first: int
    last: int
    total: int
    number: int
    n_pages: int
    previous_url: str
    next_url: str


@dataclass(frozen=True)
class Address:
    """The query string of a page, and the same with something changed."""

    params: QueryDict
    prefix: str = ""

    def get(self, key: str) -> str:
        """The value in the address, or an empty string."""
        return str(self.params.get(self.prefix + key, ""))[:LONGEST_QUERY]

    def get_all(self, key: str) -> list[str]:
        """Every value of a key that may stand more than once."""
        return [str(value) for value in self.params.getlist(self.prefix + key)]

    def having(self, **changes: str | list[str] | None) -> str:
        """The address with keys replaced; None removes a key. Any change returns to page one."""
        params = self.params.copy()
        params.pop(self.prefix + "page", None)
        for key, value in changes.items():
            params.pop(self.prefix + key, None)
            if value is not None:
                params.setlist(self.prefix + key, value if isinstance(value, list) else [value])
        return f"?{params.urlencode()}"

    def kept_without(self, *keys: str) -> list[tuple[str, str]]:
        """What a form must carry along as hidden fields so that nothing else is forgotten."""
        dropped = {self.prefix + key for key in (*keys, "page")}
        return [
            (key, str(value))
            for key, values in self.params.lists()
            for value in values
            if key not in dropped
        ]


@dataclass(frozen=True)
class TablePage:
    """A table with its rows, ready for `components/table.html`."""

    name: str
    caption: Text
    heads: list[Head]
    rows: list[Row]
    chips: list[Chip]
    filters: list[Choice]
    columns: list[Option]
    paging: Paging
    density: Density
    density_urls: dict[str, str]
    query: str
    is_searchable: bool
    is_narrowed: bool
    clear_url: str
    kept_for_search: list[tuple[str, str]]
    kept_for_filters: list[tuple[str, str]]
    kept_for_columns: list[tuple[str, str]]
    prefix: str
    bulk: tuple[BulkAction, ...]
    empty: Empty


@dataclass(frozen=True)
class Table:
    """The declaration of one list."""

    caption: Text
    columns: tuple[Column, ...]
    filters: tuple[Filter, ...] = ()
    search: tuple[str, ...] = ()
    """Fields looked through, without regard to case, for the words in the search box."""
    order: tuple[str, ...] = ("-pk",)
    key: str = "uuid"
    """The attribute that names a row in bulk actions."""
    per_page: int = PER_PAGE
    name: str = "table"
    prefix: str = ""
    """Put before every key in the address, where two tables share a page."""
    bulk: tuple[BulkAction, ...] = ()
    empty: Empty = field(default_factory=lambda: Empty(_("Nothing here yet.")))

    def page(self, queryset: QuerySet[Any], request: HttpRequest) -> TablePage:
        """The rows that the address asks for."""
        address = Address(request.GET, self.prefix)
        narrowed = self._narrow(queryset, address).order_by(*self._order(address))
        page = Paginator(narrowed, self.per_page).get_page(address.get("page"))
        columns = self._columns(address)
        return TablePage(
            name=self.name,
            caption=self.caption,
            heads=[self._head(column, address) for column in columns],
            rows=[self._row(row, columns) for row in page.object_list],
            chips=self._chips(address),
            filters=[self._choice(one, address) for one in self.filters],
            columns=[Option(one.key, one.label, one in columns) for one in self.columns],
            paging=paging(page, address),
            density=density(address),
            density_urls={str(one): address.having(density=str(one)) for one in Density},
            query=address.get("q"),
            is_searchable=bool(self.search),
            is_narrowed=bool(address.get("q") or self._chips(address)),
            clear_url=address.having(q=None, **{one.key: None for one in self.filters}),
            kept_for_search=address.kept_without("q"),
            kept_for_filters=address.kept_without(*(one.key for one in self.filters)),
            kept_for_columns=address.kept_without("cols"),
            prefix=self.prefix,
            bulk=self.bulk,
            empty=self.empty,
        )

    def _narrow(self, queryset: QuerySet[Any], address: Address) -> QuerySet[Any]:
        for one in self.filters:
            if chosen := chosen_values(one, address):
                queryset = queryset.filter(**{f"{one.lookup or one.key}__in": chosen})
        for word in address.get("q").split() if self.search else ():
            hits = [Q(**{f"{field_name}__icontains": word}) for field_name in self.search]
            queryset = queryset.filter(reduce(or_, hits))
        return queryset

    def _order(self, address: Address) -> tuple[str, ...]:
        asked = address.get("sort")
        column = next(
            (one for one in self.columns if one.sort and one.key == asked.lstrip("-")), None
        )
        if column is None:
            return self.order
        return (f"-{column.sort}" if asked.startswith("-") else column.sort, *self.order)

    def _columns(self, address: Address) -> list[Column]:
        wanted = set(address.get_all("cols"))
        known = [one for one in self.columns if one.key in wanted]
        return known or [one for one in self.columns if one.shown]

    def _head(self, column: Column, address: Address) -> Head:
        asked = address.get("sort")
        direction = {column.key: "ascending", f"-{column.key}": "descending"}.get(asked, "none")
        turned = f"-{column.key}" if direction == "ascending" else column.key
        url = address.having(sort=turned) if column.sort else ""
        return Head(column.key, column.label, column.kind, url, direction)

    def _row(self, row: Any, columns: list[Column]) -> Row:
        cells = [column.cell(row) for column in columns]
        url = next((cell.url for cell in cells if cell.url), "")
        return Row(str(getattr(row, self.key)), url, cells)

    def _chips(self, address: Address) -> list[Chip]:
        return [
            Chip(one.label, label, without(one, value, address))
            for one in self.filters
            for value, label in one.offered
            if value in chosen_values(one, address)
        ]

    def _choice(self, one: Filter, address: Address) -> Choice:
        chosen = chosen_values(one, address)
        options = [Option(value, label, value in chosen) for value, label in one.offered]
        return Choice(self.prefix + one.key, one.label, options)


def chosen_values(one: Filter, address: Address) -> list[str]:
    """The values of a filter that stand in the address and are among its choices."""
    allowed = {value for value, _label in one.offered}
    return [value for value in address.get_all(one.key) if value in allowed]


def without(one: Filter, value: str, address: Address) -> str:
    """The address with one value of one filter taken away."""
    rest = [kept for kept in chosen_values(one, address) if kept != value]
    return address.having(**{one.key: rest or None})


def density(address: Address) -> Density:
    """The density in the address; anything unknown is comfortable."""
    asked = address.get("density")
    return Density(asked) if asked in set(Density) else Density.COMFORTABLE


def paging(page: Page[Any], address: Address) -> Paging:
    """Where this page stands among the others."""
    previous_url = page_url(page.previous_page_number(), address) if page.has_previous() else ""
    next_url = page_url(page.next_page_number(), address) if page.has_next() else ""
    return Paging(
        first=page.start_index(),
        last=page.end_index(),
        total=page.paginator.count,
        number=page.number,
        n_pages=page.paginator.num_pages,
        previous_url=previous_url,
        next_url=next_url,
    )


def page_url(number: int, address: Address) -> str:
    """The address of another page of the same list."""
    return address.having(page=str(number))
