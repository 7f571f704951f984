"""From an earlier attempt to the next: what may be there already is asked about first.

1. Nothing was tried, or the last attempt certainly filed nothing: submit.
2. The outcome is not known: `find()`. What it finds is the outcome.
3. It finds nothing, and the recipient promises that one key files once: submit again.
4. It finds nothing, and there is no such promise: the outcome stays unknown, and a person decides.
   The first sending may still be on its way inside the recipient. Once a person has decided to
   send it again, that is what happens, after `find()` was asked once more.
"""

from compliance.filing.base import (
    FilingChannel,
    FilingError,
    FilingPackage,
    Outcome,
    OutcomeUnknown,
)


def carry(
    channel: FilingChannel,
    package: FilingPackage,
    key: str,
    *,
    may_be_there: bool,
    person_decided: bool = False,
) -> Outcome:
    """File under a key, once.

    `may_be_there` is true when any earlier attempt under this key was not ended, or ended without
    knowing. An attempt that ended with a receipt which was not kept counts as such too.
    `person_decided` is true when a person has since looked and asked for a second sending.

    Raises:
        FilingError: nothing was filed, now or before.
        OutcomeUnknown: something may have been; `needs_human` where asking again cannot tell.
    """
    if may_be_there and (found := _asked(channel, package, key)):
        return found
    if may_be_there and not (channel.is_idempotent or person_decided):
        raise OutcomeUnknown(
            "the recipient knows of nothing under this key, and does not promise that a second "
            "sending files once; a person asks there, and enters the receipt or sends it again",
            needs_human=True,
        )
    return channel.submit(package, key)


def _asked(channel: FilingChannel, package: FilingPackage, key: str) -> Outcome | None:
    """What became of it. Failing to ask settles nothing, so not knowing stays not knowing."""
    try:
        return channel.find(package, key)
    except OutcomeUnknown:
        raise
    except FilingError as error:
        raise OutcomeUnknown(
            f"it is not known whether it was filed, and the recipient cannot be asked: {error}",
            answer=error.answer,
            exchange=error.exchange,
            retry_after_seconds=error.retry_after_seconds,
            needs_human=error.permanent,
        ) from error
