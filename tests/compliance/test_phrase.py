"""Phrases: English as they are, and the same sentence anew in another language."""

import copy
import json
import re

import pytest

from compliance.phrase import Phrase, counted, kept, listed, said

BLANK = re.compile(r"(%\(\w+\)s)")


class Shouted:
    """A language of capitals, which leaves the blanks of a template alone."""

    def gettext(self, message: str, /) -> str:
        return _loud(message)

    def ngettext(self, singular: str, plural: str, number: int, /) -> str:
        return _loud(singular if number == 1 else plural)


def _loud(text: str) -> str:
    return "".join(part if BLANK.match(part) else part.upper() for part in BLANK.split(text))


DUE = Phrase("due on %(day)s", day=listed((Phrase("Mon"), "2027-12-13"), " "))


def test_a_phrase_is_its_english_text() -> None:
    assert DUE == "due on Mon 2027-12-13"
    assert json.dumps([DUE]) == '["due on Mon 2027-12-13"]'


def test_a_percent_sign_stands_where_nothing_is_filled_in() -> None:
    assert said(Phrase("100 % of it"), Shouted()) == "100 % OF IT"


def test_what_fills_a_phrase_is_said_if_it_is_one_and_stands_if_it_is_a_name() -> None:
    waits = Phrase("%(first)s and %(second)s", first=Phrase("death"), second="aware_at")
    assert said(waits, Shouted()) == "DEATH AND aware_at"


def test_what_is_kept_says_the_same_again() -> None:
    form = json.loads(json.dumps(DUE.kept()))
    assert said(form, Shouted()) == said(DUE, Shouted()) == "DUE ON MON 2027-12-13"


def test_a_bare_template_is_kept_as_text_and_looked_up_again() -> None:
    assert Phrase("Early warning").kept() == "Early warning"
    assert said("Early warning", Shouted()) == "EARLY WARNING"


def test_text_that_is_no_phrase_is_kept_as_it_is() -> None:
    assert kept("agent_sends_mail") == "agent_sends_mail"
    assert kept(DUE) == DUE.kept()


@pytest.mark.parametrize(("n", "words"), [(1, "1 DAY"), (3, "3 DAYS")])
def test_a_counted_phrase_takes_the_form_that_fits(n: int, words: str) -> None:
    period = counted("%(n)s day", "%(n)s days", n=n)
    assert (str(period), said(period, Shouted())) == (words.lower(), words)
    assert said(json.loads(json.dumps(period.form())), Shouted()) == words


def test_a_copy_keeps_its_template() -> None:
    assert said(copy.deepcopy(DUE), Shouted()) == said(DUE, Shouted())
