"""The catalogues of report language: compiled as they stand, and nothing that reports print is left out."""

from __future__ import annotations

import ast
import gettext
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from compliance.management.commands import catalogues
from compliance.phrase import Phrase
from compliance.regimes import answer, authorities, engine, load, questions
from compliance.regimes.facts import Facts
from compliance.regimes.terms import AUTHORITY_ROLES, MARKED, SENSITIVITIES
from compliance.regimes.vocabulary import INSTANTS, LIMBS, STAGES
from compliance.services import report_content, report_reading
from config.management.commands.makemessages import phrases

ROOT = Path(__file__).resolve().parents[2]
PAPERS = ROOT / "compliance/templates/compliance/documents"
TEMPLATES = ("incident_report", "paper", "legend", "mark")
TRANSLATE = re.compile(r"""{%\s*translate\s+(["'])(.*?)\1""")
BLOCK = re.compile(r"{%\s*blocktranslate[^%]*%}(.*?){%\s*endblocktranslate", re.DOTALL)
BLANK = re.compile(r"{{\s*(\w+)\s*}}")
LIST = re.compile(r"(?:%\(p\d+\)s[;, ]*)+")
BLANKS = re.compile(r"%\(\w+\)s")


@pytest.fixture(params=["de", "fr"])
def catalogue(request) -> gettext.GNUTranslations:
    path = ROOT / f"compliance/locale/{request.param}/LC_MESSAGES/django.mo"
    with path.open("rb") as compiled:
        return gettext.GNUTranslations(compiled)


def test_each_compiled_catalogue_is_what_its_source_comes_to() -> None:
    found = catalogues.catalogues()
    assert [path.parent.parent.name for path in found] == ["de", "fr"]
    for path in found:
        made = catalogues.compiled(path.read_text(encoding="utf-8"), file=path.name)
        assert path.with_suffix(".mo").read_bytes() == made


def test_a_line_that_is_no_message_is_named() -> None:
    with pytest.raises(catalogues.CatalogueError, match="expected a message, got 'oops'"):
        list(catalogues.entries('msgid "a"\noops', file="x.po"))


def test_fuzzy_and_empty_messages_are_left_out() -> None:
    text = '#, fuzzy\nmsgid "a"\nmsgstr "b"\n\nmsgid "c"\nmsgstr ""\n\nmsgid "d"\nmsgstr "e"\n'
    assert list(catalogues.entries(text, file="x.po")) == [("d", "e")]


def fixed() -> Iterator[str]:
    """What the templates of an incident report print."""
    for name in TEMPLATES:
        text = (PAPERS / f"{name}.html").read_text(encoding="utf-8")
        yield from (words for _quote, words in TRANSLATE.findall(text))
        yield from (BLANK.sub(r"%(\1)s", words) for words in BLOCK.findall(text))


def of_packs() -> Iterator[str]:
    """What the packs put into one: titles, labels, places in the law, harm, recipients."""
    for pack in load.current():
        for regime in load.versions(pack.key):
            said = (
                regime.title, regime.stages, regime.fields, regime.limbs, regime.requires_counsel,
                regime.admission, regime.triggers, regime.applicability, regime.scope,
                regime.exclusions, regime.remarks, [each.name for each in regime.recipients],
            )  # fmt: skip
            yield from (text for each in said for text in phrases(each))
    yield from phrases([each.definition for each in questions.LIMB_QUESTIONS])
    yield from phrases([each.cite for each in questions.LIMB_QUESTIONS])
    yield from phrases([each.name for each in authorities.authorities()])
    yield from phrases([each.name for each in authorities.member_states()])
    for words in (INSTANTS, LIMBS, STAGES, AUTHORITY_ROLES):
        yield from phrases(list(words.values()))


def of_reckoning() -> Iterator[str]:
    """What the engine says of every worked case: the rule under the clock."""
    for pack in load.current():
        for case in pack.tests:
            at = Facts.from_json({"aware_at": case.at}).instants
            facts = Facts.from_json(dict(case.facts))
            outcome = engine.evaluate(pack, facts, next(iter(at.values())))
            yield from (text for stage in outcome.stages for text in inside(list(stage.trace)))


def written() -> Iterator[str]:
    """Sentences as they stand in the engine's rooms, said in a worked case or not."""
    for room in ("case", "counting", "engine", "scope", "stages"):
        source = (ROOT / f"compliance/regimes/{room}.py").read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"Phrase", "counted"}:
                text = node.args[0]
                yield from [str(text.value)] if isinstance(text, ast.Constant) else []


def inside(value: Any) -> Iterator[str]:
    """The templates of phrases and of the phrases inside them."""
    for each in value:
        if isinstance(each, Phrase):
            yield each.template
            yield from inside(list(each.values.values()))


def lacking(catalogue: gettext.GNUTranslations, asked: Iterator[str]) -> set[str]:
    """Messages with words in them for which the catalogue has nothing."""
    known = {key if isinstance(key, str) else key[0] for key in catalogue._catalog}
    return {
        each
        for each in asked
        if each not in known and not LIST.fullmatch(each) and BLANKS.sub("", each).strip(" ;,")
    }


def test_every_fixed_text_of_a_report_is_translated(catalogue) -> None:
    assert lacking(catalogue, fixed()) == set()


def test_everything_that_packs_put_into_a_report_is_translated(catalogue) -> None:
    assert lacking(catalogue, of_packs()) == set()


def test_every_step_of_the_reckoning_is_translated(catalogue) -> None:
    assert lacking(catalogue, of_reckoning()) == set()
    assert lacking(catalogue, written()) == set()


def test_kinds_languages_and_own_fields_are_translated(catalogue) -> None:
    own = [*report_reading.KINDS.values(), *report_content.LANGUAGES.values()]
    own += [report_reading.LATE, report_reading.NOTICE_OF_DELAY]
    own += [report_reading.WHY_WITHDRAWN, report_reading.WHY_NOT_REPORTABLE]
    own += [*answer.YES_NO.values(), *(SENSITIVITIES[each] for each in MARKED)]
    own += ["%(number)s %(unit)s"]
    assert lacking(catalogue, iter([*map(str, own), "Incident report"])) == set()


def test_blanks_are_the_same_in_every_language(catalogue) -> None:
    wrong = {
        key
        for key, text in catalogue._catalog.items()
        if isinstance(key, str) and key and set(BLANKS.findall(key)) != set(BLANKS.findall(text))
    }
    assert wrong == set()
