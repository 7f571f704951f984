"""The press room: take a waiting document, make its paper, keep both forms."""

from __future__ import annotations

from contextlib import suppress

from django.db import transaction

from compliance.documents import paper, press
from compliance.machines import TransitionRefused
from compliance.models import Document, Report
from compliance.services import document, report


def render(pk: int) -> None:
    """Make one document's PDF and twin. A report gets its paper attached.

    A refusal that would come again fails the document aloud; a killed renderer leaves the row to
    its lease, so that the sweep brings it back, a few times at most. When another worker holds the
    row under a newer fence, its paper counts and ours is dropped.
    """
    taken = document.claim(pk)
    if taken is None:
        return
    try:
        pdf = press.pdf(paper.sheet(edition(taken)))
    except (press.NotPrinted, paper.UnknownPaper) as error:
        if getattr(error, "permanent", True):
            document.fail(taken, str(error))
        return
    # One transaction: whoever sees a document ready finds it on its report.
    with suppress(TransitionRefused), transaction.atomic():
        document.finish(taken, pdf)
        _attach(taken)


def edition(made: Document) -> paper.Edition:
    """The frozen content as the press takes it."""
    return paper.Edition(
        what=made.what,
        title=made.title,
        number=made.edition,
        sha256=made.sha256,
        content=made.content,
        is_simulation=made.is_simulation,
        made_at=made.asked_at,
    )


def _attach(made: Document) -> None:
    about = Report.objects.filter(uuid=made.about_uuid).first()
    if about is not None:
        report.attach(about, made, by=document.PRINTER)
