"""Documents: content frozen as JSON first, rendered by a worker after."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import translation

from compliance import lease
from compliance.actors import Actor, require, system
from compliance.audit import canonical, sequencer
from compliance.audit.advance import advance
from compliance.audit.log import record
from compliance.clock import now, stamp
from compliance.models import Blob, Document, Subject
from compliance.permissions import Permission
from compliance.queue import enqueue
from compliance.services import blob, digest
from compliance.states import DOCUMENT

PRINTER = system("printer")


@transaction.atomic
def request(
    subject: Subject,
    *,
    what: str,
    title: str,
    content: dict[str, Any],
    about: Any,
    by: Actor,
    is_simulation: bool = False,
) -> Document:
    """Freeze the content of a new edition and queue its rendering."""
    require(by, Permission.DOCUMENT_DRAFT, subject)
    frozen = digest.without_floats(content)
    n_before = Document.objects.filter(what=what, about_uuid=about.uuid).count()
    made = Document.objects.create(
        subject=subject,
        what=what,
        title=title[:300],
        edition=n_before + 1,
        content=frozen,
        sha256=digest.of_json(frozen),
        about_kind=about.kind,
        about_uuid=about.uuid,
        is_simulation=is_simulation,
        asked_by_id=by.user_id,
        asked_at=now(),
    )
    record(
        "document.request",
        made,
        by=by,
        after="queued",
        words={"title": title},
        what=what,
        edition=made.edition,
        sha256=made.sha256,
    )
    enqueue(Document.TASK, made.pk, queue=Document.QUEUE)
    return made


def in_house_language() -> translation.override:
    """Papers are frozen in the installation's language, whoever asks for them."""
    return translation.override(settings.LANGUAGE_CODE)


def record_head() -> dict[str, Any]:
    """The newest signed head of the log and its key, as every paper prints them."""
    head = sequencer.newest()
    return {
        "size": head.size if head else 0,
        "root": bytes(head.root).hex() if head else "",
        "signed_at": stamp(head.at) if head else "",
        "verification_key": sequencer.verification_key(),
    }


def claim(pk: int) -> Document | None:
    """Take one waiting document, or None when another worker has it."""
    found: Document | None = lease.claim(
        Document, pk, waiting="queued", running="running", seconds=300
    )
    return found


def finish(document: Document, pdf: bytes) -> None:
    """Keep the paper and its twin; the twin is the frozen content, byte for byte."""
    name = f"{document.what}-{document.edition}"
    paper, twin = (
        blob.keep(
            document.subject,
            f"{name}.{ending}",
            media_type,
            data,
            retention=Blob.Retention.DOCUMENTATION.value,
            by=PRINTER,
        )
        for ending, media_type, data in (
            ("pdf", "application/pdf", pdf),
            ("json", "application/json", canonical.dumps(document.content)),
        )
    )
    advance(
        document,
        DOCUMENT,
        "finish",
        by=PRINTER,
        fence=document.fence,
        changes={**lease.free(), "pdf": paper, "twin": twin, "problem": ""},
        pdf_sha256=paper.sha256,
        twin_sha256=twin.sha256,
    )


def fail(document: Document, why: str) -> None:
    """Rendering failed in a way that trying again will not mend."""
    advance(
        document,
        DOCUMENT,
        "fail",
        by=PRINTER,
        fence=document.fence,
        note=why,
        changes={**lease.free(), "problem": why[:500]},
    )


@transaction.atomic
def retry(document: Document, *, by: Actor) -> None:
    """A person asks to render a failed document again."""
    advance(document, DOCUMENT, "retry", by=by, changes={"attempts": 0, "problem": ""})
    enqueue(Document.TASK, document.pk, queue=Document.QUEUE)
