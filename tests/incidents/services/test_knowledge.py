"""What the records answer to is what packs may ask for, and it is kept as fields want it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from compliance.regimes import answer, load, oecd
from compliance.regimes.vocabulary import RECORDED, STATED
from compliance.services import report_reading
from incidents.services import incident, knowledge
from tests.incidents import cast

NAME = re.compile(
    r'"((?:incident|organisation|version|monitoring|review|filing|rollback)\.[a-z_.]+)"'
)


def test_packs_may_ask_for_exactly_what_records_answer_to() -> None:
    written = NAME.findall(Path(knowledge.__file__).read_text(encoding="utf-8"))
    given = {each.id: "said" for each in oecd.CRITERIA if not each.choices}
    said = {name for name, _text in oecd.for_reports(given)}
    assert set(written) | said == RECORDED


def test_what_is_stated_is_asked_by_a_pack_and_by_no_record() -> None:
    used = {field.source for pack in load.regimes() for field in pack.fields}
    assert used >= STATED - {report_reading.KIND}
    assert report_reading.KIND in STATED
    assert not STATED & RECORDED


@pytest.mark.django_db
def test_role_and_internal_use_are_codes_that_their_fields_take(rae, as_actor) -> None:
    deployment = cast.watched()[0]
    opened = cast.opened(deployment)
    system = deployment.system
    system.facts = {**system.facts, "is_internal": True}
    system.save()
    facts = {
        "aware_at": cast.minutes_ago(10).isoformat(),
        "model_involvement_aware_at": cast.minutes_ago(5).isoformat(),
        "deployer": True,
        "provider": False,
    }
    incident.classify(
        opened, facts=facts, limbs=["cyber_breach"], serious=True, reasons="Keys left.",
        by=as_actor(rae),
    )  # fmt: skip
    known = knowledge.of(type(opened).objects.get(pk=opened.pk)).known
    packs = {key: load.get(key) for key in ("eu-aia-73", "us-ca-sb53", "eu-gpai-55-cop9")}
    for key, name, value in (
        ("eu-aia-73", "submitter_role", "deployer"),
        ("us-ca-sb53", "internal_use", "yes"),
        ("eu-aia-73", "awareness", ""),
        ("eu-gpai-55-cop9", "awareness", ""),
    ):
        asked = next(each for each in packs[key].fields if each.id == name)
        found = known[asked.source].value
        assert answer.fits(asked, found, packs[key].limbs)
        assert not value or found == value
