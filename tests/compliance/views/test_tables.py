"""A list answers its address: sort, filter, search, page, columns; nothing that was not declared."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.template.loader import render_to_string
from django.test import RequestFactory

from compliance import clock
from compliance.models import User
from compliance.views.tables import BulkAction, Column, Density, Filter, Kind, Table, TablePage

PEOPLE = Table(
    caption="People",
    columns=(
        Column(
            "name", "Name", kind=Kind.REFERENCE, url=lambda row: f"/people/{row.uuid}", sort="name"
        ),
        Column("email", "E-mail"),
        Column("zone", "Zone", shown=False),
        Column("joined", "Joined", value="date_joined", kind=Kind.TIME, sort="date_joined"),
    ),
    filters=(Filter("theme", "Theme", choices=[("auto", "auto"), ("dark", "dark")]),),
    search=("name", "email"),
    order=("name",),
    per_page=2,
)


@pytest.fixture(autouse=True)
def _people(db: None) -> None:
    for n, name in enumerate(("Ada", "Bo", "Cy", "Dee", "Rae <i>")):
        person = User.objects.create_user(
            f"p{n}@example.org", name, theme="dark" if n > 2 else "auto"
        )
        User.objects.filter(pk=person.pk).update(date_joined=clock.now() - timedelta(days=n))


def page(address: str = "", table: Table = PEOPLE) -> TablePage:
    return table.page(User.objects.all(), RequestFactory().get(f"/people{address}"))


def names(shown: TablePage) -> list[object]:
    return [row.cells[0].value for row in shown.rows]


def test_rows_come_in_the_declared_order_a_page_at_a_time() -> None:
    first = page()
    assert (first.paging.first, first.paging.last, first.paging.total) == (1, 2, 5)
    assert names(first) == ["Ada", "Bo"]
    assert names(page(first.paging.next_url)) == ["Cy", "Dee"]
    assert names(page("?page=3")) == ["Rae <i>"]


def test_a_page_that_does_not_exist_is_the_last_one() -> None:
    assert page("?page=99").paging.number == 3
    assert page("?page=x").paging.number == 1


def test_a_head_sorts_and_then_turns_round() -> None:
    up = page("?sort=joined")
    head = next(head for head in up.heads if head.key == "joined")
    assert head.direction == "ascending"
    assert head.sort_url == "?sort=-joined"
    assert names(up)[0] == "Rae <i>"
    assert names(page(head.sort_url))[0] == "Ada"


def test_only_declared_columns_sort() -> None:
    assert names(page("?sort=password")) == names(page())
    assert names(page("?sort=email")) == names(page())


def test_a_filter_narrows_and_its_chip_takes_it_away() -> None:
    dark = page("?theme=dark&sort=-name")
    assert {*names(dark)} == {"Dee", "Rae <i>"}
    assert [chip.value for chip in dark.chips] == ["dark"]
    assert dark.chips[0].remove_url == "?sort=-name"


def test_a_value_that_is_no_choice_is_ignored() -> None:
    unknown = page("?theme=neon")
    assert unknown.paging.total == 5
    assert unknown.chips == []
    assert not unknown.is_narrowed


def test_every_word_must_be_found_somewhere() -> None:
    assert names(page("?q=BO+example")) == ["Bo"]
    assert page("?q=bo+nothing").rows == []


def test_changing_anything_returns_to_page_one() -> None:
    assert "page" not in page("?page=2&theme=auto").density_urls["compact"]


def test_the_reader_chooses_columns_among_the_declared() -> None:
    chosen = page("?cols=zone&cols=name&cols=password")
    assert [head.key for head in chosen.heads] == ["name", "zone"]
    assert [head.key for head in page("?cols=password").heads] == ["name", "email", "joined"]


def test_density_is_one_of_two() -> None:
    assert page("?density=compact").density is Density.COMPACT
    assert page("?density=none").density is Density.COMFORTABLE


def test_a_form_carries_the_rest_of_the_address() -> None:
    shown = page("?q=a&sort=name&theme=auto&page=2")
    assert shown.kept_for_search == [("sort", "name"), ("theme", "auto")]
    assert shown.kept_for_filters == [("q", "a"), ("sort", "name")]


def test_two_tables_on_a_page_keep_their_addresses_apart() -> None:
    other = Table(caption="x", columns=PEOPLE.columns, order=("name",), prefix="b_", per_page=2)
    shown = page("?sort=-name&b_page=2", other)
    assert shown.paging.number == 2
    assert shown.heads[0].sort_url == "?sort=-name&b_sort=name"


def test_a_page_takes_two_queries(django_assert_num_queries: object) -> None:
    with django_assert_num_queries(2):  # type: ignore[operator]
        page("?theme=dark&q=a")


def test_the_drawn_table_escapes_and_labels_its_cells() -> None:
    table = Table(
        caption="People",
        columns=PEOPLE.columns,
        order=("name",),
        bulk=(BulkAction("Retire", "/retire"),),
    )
    drawn = render_to_string("components/table.html", {"table": page("", table), "csrf_token": "t"})
    assert "Rae <i>" not in drawn
    assert "Rae &lt;i&gt;" in drawn
    assert 'formaction="/retire"' in drawn
    assert 'aria-sort="none"' in drawn
    assert 'data-label="E-mail"' in drawn


def test_an_empty_list_teaches_and_a_narrowed_one_offers_the_way_back() -> None:
    nothing = PEOPLE.page(User.objects.none(), RequestFactory().get("/people"))
    assert "Nothing here yet." in render_to_string("components/table.html", {"table": nothing})
    narrowed = render_to_string("components/table.html", {"table": page("?q=zzz")})
    assert "No row fits these filters." in narrowed
