"""Prompt suites: pinned sets of prompts. A change is a new number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from assessments.models import PromptSuite
from assessments.scanner.contract import Prompt, plain_sha256
from assessments.scanner.prompts import pairs
from compliance.actors import Actor, require
from compliance.audit.log import record
from compliance.clock import now
from compliance.permissions import Permission
from compliance.services import subject

Sensitivity = PromptSuite.Sensitivity
LONGEST_NAME = 120


class SuiteError(ValueError):
    """What was to be registered cannot be put to a model."""


def prompts_of(suite: PromptSuite) -> tuple[Prompt, ...]:
    """The prompts of one number, in their order."""
    return tuple(Prompt.from_json(raw) for raw in suite.prompts)


def newest(name: str) -> PromptSuite | None:
    """The highest number of a name."""
    return PromptSuite.objects.filter(name=name).order_by("-number").first()


def register(
    name: str,
    prompts: Iterable[Prompt],
    *,
    sensitivity: Sensitivity | None = None,
    reason: str = "",
    by: Actor,
) -> PromptSuite:
    """The next number of a prompt suite; an unchanged suite is given back as it is.

    Args:
        name: of all its numbers.
        prompts: in the order in which they are kept.
        sensitivity: of the texts; None: as the last number's, and internal for the first.
        reason: why there is a new number.
        by: who registers it.

    Raises:
        SuiteError: no prompts, or two of one id; or somebody else registered a number meanwhile.
    """
    require(by, Permission.WATCHLIST_WRITE)
    asked = tuple(prompts)
    _expect_ids(asked)
    sha256 = plain_sha256(asked)
    last = newest(name)
    if last is not None and last.sha256 == sha256:
        return last
    kept = sensitivity or (Sensitivity(last.sensitivity) if last else Sensitivity.INTERNAL)
    try:
        return _write(name, asked, sha256, last, kept, reason, by)
    except IntegrityError as error:
        raise SuiteError(
            _(
                "Somebody registered another number of %(name)s meanwhile. Look at it, then try again."
            )
            % {"name": name}
        ) from error


@transaction.atomic
def _write(
    name: str,
    asked: tuple[Prompt, ...],
    sha256: str,
    last: PromptSuite | None,
    sensitivity: Sensitivity,
    reason: str,
    by: Actor,
) -> PromptSuite:
    made = PromptSuite.objects.create(
        subject=last.subject if last else subject.make("suite", name),
        name=name,
        number=last.number + 1 if last else 1,
        prompts=[prompt.to_json() for prompt in asked],
        n_prompts=len(asked),
        n_pairs=len(pairs(asked)),
        sha256=sha256,
        sensitivity=sensitivity,
        reason=reason,
        registered_by_id=by.user_id,
        registered_at=now(),
    )
    record(
        "suite.register",
        made,
        by=by,
        note=reason,
        words={"name": name},
        number=made.number,
        sha256=sha256,
        previous_sha256=last.sha256 if last else "",
        n_prompts=made.n_prompts,
        sensitivity=str(sensitivity),
    )
    return made


def extend(suite: PromptSuite, prompts: Iterable[Prompt], *, by: Actor) -> PromptSuite:
    """A new number of the suite with further prompts, such as a pair that a review added."""
    return register(suite.name, (*prompts_of(suite), *prompts), by=by)


@transaction.atomic
def classify(
    suite: PromptSuite, sensitivity: Sensitivity, *, reason: str, by: Actor
) -> PromptSuite:
    """Say anew how sensitive the texts are. The prompts stay, and so does the number.

    Raises:
        SuiteError: it is of that class already.
    """
    require(by, Permission.WATCHLIST_WRITE, suite.subject)
    before = suite.sensitivity
    if before == sensitivity:
        raise SuiteError(
            _("%(suite)s is of the class “%(label)s” already.")
            % {"suite": suite, "label": sensitivity.label}
        )
    PromptSuite.objects.filter(pk=suite.pk).update(sensitivity=sensitivity)
    suite.sensitivity = sensitivity
    record(
        "suite.classify",
        suite,
        by=by,
        before=before,
        after=str(sensitivity),
        note=reason,
        number=suite.number,
    )
    return suite


def may_reveal(suite: PromptSuite, by: Actor) -> bool:
    """Whether the hidden texts are open to this reader: who may put them to a model may read them."""
    return by.may(Permission.SCAN_REQUEST, suite.subject)


@transaction.atomic
def reveal(suite: PromptSuite, *, reason: str, where: str = "", by: Actor) -> tuple[Prompt, ...]:
    """The prompts of a hidden suite; that they were read is written down.

    Args:
        suite: which number.
        reason: why they have to be read.
        where: what shows them, such as a scan's reference; empty: the suite itself.
        by: who reads.

    Raises:
        NotAllowed: the reader may not scan with it.
    """
    require(by, Permission.SCAN_REQUEST, suite.subject)
    record(
        "suite.reveal",
        suite,
        by=by,
        note=reason,
        number=suite.number,
        sha256=suite.sha256,
        shown_in=where or suite.ref,
    )
    return prompts_of(suite)


@transaction.atomic
def take_out(suite: PromptSuite, *, form: str, reason: str = "", by: Actor) -> tuple[Prompt, ...]:
    """The prompts for a file that leaves the house; written down, whatever their class.

    Raises:
        NotAllowed: the reader may not read scans, or may not scan with a hidden suite.
    """
    needed = Permission.SCAN_REQUEST if suite.is_hidden else Permission.SCAN_READ
    require(by, needed, suite.subject)
    record(
        "suite.export",
        suite,
        by=by,
        note=reason,
        number=suite.number,
        sha256=suite.sha256,
        form=form,
    )
    return prompts_of(suite)


def _expect_ids(asked: tuple[Prompt, ...]) -> None:
    ids = [prompt.id for prompt in asked]
    if not asked:
        raise SuiteError(_("A suite needs at least one prompt; this one has none."))
    if twice := sorted(each for each, n in Counter(ids).items() if n > 1):
        raise SuiteError(
            _("Each prompt needs an id of its own; %(twice)s stands there twice.")
            % {"twice": ", ".join(twice[:3])}
        )
