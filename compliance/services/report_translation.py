"""Translations of a report's free text: linked revisions with translator and approval of their own."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import transaction
from django.utils.translation import gettext as _

from compliance.actors import Actor, require
from compliance.audit.log import record
from compliance.clock import now
from compliance.machines import TransitionRefused
from compliance.models import ApprovalRequest, Report, Revision
from compliance.permissions import NotAllowed, Permission
from compliance.services import approval, digest
from compliance.services.report_answers import FieldStatus, tidy
from compliance.services.report_reading import DIGEST_VERSION, answers, current_sha256, newest

PARTS = ("value", "why", "plan")
OPEN = ("drafting", "review")
"""While a report is changed or looked at; once approved, its paper is fixed."""


def purpose(language: str) -> str:
    """What an approval of a translation is asked for."""
    return f"translation:{language}"


def to_translate(report: Report) -> dict[str, dict[str, str]]:
    """The free text of the revision that stands, by field and part.

    What is blank is left out, and what is kept back from the paper.
    """
    found = {}
    for asked, said in answers(report):
        parts = {part: _text(part, said) for part in PARTS}
        is_said = said["status"] not in {FieldStatus.MISSING, FieldStatus.NOT_NEEDED}
        if is_said and not asked.is_kept_back:
            found[asked.id] = {part: text for part, text in parts.items() if text}
    return {name: parts for name, parts in found.items() if parts}


def _text(part: str, said: Mapping[str, str]) -> str:
    return said.get("words", said["value"]) if part == "value" else said.get(part, "")


def standing(report: Report) -> list[Revision]:
    """The newest translation into each language of the revision that stands."""
    found = {}
    rows = newest(report).translations.select_related("translator", "by")
    for each in rows.order_by("number"):
        found[each.language] = each
    return list(found.values())


def earlier(report: Report, language: str) -> dict[str, dict[str, str]]:
    """What was last translated into a language, of whatever revision: to begin the next from."""
    rows = report.revisions.filter(language=language, translation_of__isnull=False)
    last = rows.order_by("-number").first()
    return dict(last.fields) if last else {}


def approved(report: Report) -> list[Revision]:
    """Translations of the revision that stands which another person approved."""
    return [each for each in standing(report) if is_approved(report, each)]


def is_approved(report: Report, made: Revision) -> bool:
    """Whether somebody approved exactly this translation of exactly this revision."""
    return approval.holds(report, purpose(made.language), _sha256(report, made))


def approvers(report: Report, made: Revision) -> list[str]:
    """Who approved a translation, by name."""
    given = ApprovalRequest.objects.filter(
        thing_uuid=report.uuid, purpose=purpose(made.language), state="given", sha256=made.sha256
    ).last()
    return [each.person.name for each in given.approvals.all()] if given else []


def waiting(report: Report) -> list[Revision]:
    """Translations that nobody has approved yet."""
    return [each for each in standing(report) if not is_approved(report, each)]


@transaction.atomic
def translate(
    report: Report,
    language: str,
    fields: Mapping[str, Mapping[str, str]],
    *,
    is_authoritative: bool = False,
    by: Actor,
) -> Revision:
    """Keep a translation of the revision that stands, and ask a second person to approve it.

    Args:
        report: while it is drafted or reviewed.
        language: code of the language, another than the text's own.
        fields: field id to the parts that `to_translate` names, each translated.
        is_authoritative: this text counts, in place of what it renders.
        by: the translator; somebody else approves.

    Raises:
        TransitionRefused: the report is approved already, or another translation counts.
        ValueError: the text's own language, one that is not known, or a part is left out.
    """
    require(by, Permission.REPORT_DRAFT, report.subject)
    if by.user_id is None:
        raise NotAllowed(_("%(who)s is not a person; a person translates.") % {"who": by.label})
    if report.state not in OPEN:
        raise TransitionRefused(_("The report is approved; reopen it before translating it."))
    original = newest(report)
    kept = _complete(report, original, language, fields)
    others = [each for each in standing(report) if each.language != language]
    if is_authoritative and any(each.is_authoritative for each in others):
        raise TransitionRefused(_("Another translation is named as the text that counts."))
    last = report.revisions.latest("number")
    made = Revision(
        report=report,
        number=last.number + 1,
        language=language,
        translation_of=original,
        translator_id=by.user_id,
        is_authoritative=is_authoritative,
        fields=kept,
        by_id=by.user_id,
        at=now(),
    )
    made.sha256 = _sha256(report, made)
    made.save()
    record(
        "report.translate",
        report,
        by=by,
        before=report.state,
        after=report.state,
        number=made.number,
        language=language,
        translation_of=original.sha256,
        authoritative=is_authoritative,
        sha256=made.sha256,
    )
    approval.ask(
        report,
        purpose=purpose(language),
        permission=Permission.REPORT_APPROVE,
        title=_("Translation (%(language)s): %(title)s")
        % {"language": Report.Language(language).label, "title": report.title},
        sha256=made.sha256,
        by=by,
    )
    return made


def _complete(
    report: Report, original: Revision, language: str, fields: Mapping[str, Mapping[str, str]]
) -> dict[str, dict[str, str]]:
    if language not in Report.Language or language == original.language:
        raise ValueError(_("%(language)s: expected another language.") % {"language": language})
    wanted = to_translate(report)
    kept = {
        name: {part: tidy(fields.get(name, {}).get(part, "")) for part in parts}
        for name, parts in wanted.items()
    }
    if blank := [name for name, parts in kept.items() if not all(parts.values())]:
        raise ValueError(_("Not translated yet: %(names)s.") % {"names": ", ".join(blank)})
    return kept


def _sha256(report: Report, made: Revision) -> str:
    """What the approval of a translation is about: this text, and what it renders."""
    return digest.of_json(
        {
            "digest": DIGEST_VERSION,
            "report": str(report.uuid),
            "translation_of": current_sha256(report),
            "language": made.language,
            "authoritative": made.is_authoritative,
            "fields": made.fields,
        }
    )


@transaction.atomic
def approve(report: Report, language: str, *, by: Actor) -> None:
    """A second person says yes to a translation.

    Raises:
        NotAllowed: without the permission, or the translator.
        TransitionRefused: nobody asked, the report is approved already, or the text changed since.
    """
    made = next((each for each in standing(report) if each.language == language), None)
    asked = ApprovalRequest.objects.filter(
        thing_uuid=report.uuid, purpose=purpose(language), state="asked"
    ).first()
    if made is None or asked is None or report.state not in OPEN:
        raise TransitionRefused(_("No translation into this language waits for approval."))
    approval.give(asked, sha256_now=_sha256(report, made), by=by)


def void(report: Report, *, by: Actor) -> None:
    """The text changed: approvals of its translations hold no more."""
    for language in Report.Language.values:
        approval.void(report, purpose(language), by=by)
