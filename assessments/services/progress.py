"""How far a scan is, how fast it goes, and what it costs: from the rows of its shards alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal
from typing import TYPE_CHECKING, NamedTuple

from django.conf import settings

from assessments.scanner.contract import Stage
from assessments.states import SCAN

if TYPE_CHECKING:
    from assessments.models import Scan, ScanShard

CENT = Decimal("0.01")
SECONDS_AN_HOUR = 3600
EARLIEST = 0.02
"""Share of the tokens that must be read before the rest can be guessed from it."""
STAGES = {"running": Stage.LOADING, "merging": Stage.TESTING}


class Cost(NamedTuple):
    """Money for device time."""

    so_far: Decimal
    expected: Decimal | None
    currency: str


@dataclass(frozen=True)
class ScanProgress:
    """What a page and a program are told while a scan goes on, and after."""

    stage: str
    """Empty: nobody works on it now."""
    n_done: int
    """Prompts."""
    n_total: int
    tokens_per_second: float
    """Of all workers that read now."""
    shards: Mapping[str, int]
    """How many stand in which state."""
    device_seconds: float
    """Of all shards, earlier tries included."""
    device_seconds_expected: float | None
    """In the end; None: not known yet."""
    seconds_left: float | None
    """With as many workers as read now; None: not known yet."""

    def cost(self) -> Cost | None:
        """What the device time costs, if the installation says what an hour costs."""
        price = settings.STRATA_SCAN_COST_PER_HOUR
        if price is None:
            return None
        expected = self.device_seconds_expected
        return Cost(
            so_far=money(price.amount, self.device_seconds),
            expected=None if expected is None else money(price.amount, expected),
            currency=price.currency,
        )


def money(an_hour: Decimal, seconds: float) -> Decimal:
    """The price of some device time, rounded up to the cent."""
    exact = an_hour * Decimal(seconds) / SECONDS_AN_HOUR
    return exact.quantize(CENT, rounding=ROUND_UP)


def is_over(scan: Scan) -> bool:
    """Whether nobody works on it any more, unless a person asks again."""
    return scan.state in SCAN.ends() | {"failed"}


def of(scan: Scan, shards: Sequence[ScanShard]) -> ScanProgress:
    """How far it is.

    The rest is expected to go as fast as what was read so far: tokens computed for each second of a
    device, loading included. Coverage reads with the whole model and counts accordingly.
    """
    prompts = [row for row in shards if row.what == "prompts"]
    running = [row for row in shards if row.state == "running"]
    spent = sum(row.device_seconds for row in shards)
    rest = seconds_rest(shards, spent)
    return ScanProgress(
        stage=stage(scan, running),
        n_done=sum(n_read(row) for row in prompts),
        n_total=sum(row.n_total for row in prompts),
        tokens_per_second=sum(row.tokens_per_second or 0.0 for row in running),
        shards=Counter(row.state for row in shards),
        device_seconds=spent,
        device_seconds_expected=None if rest is None else spent + rest,
        seconds_left=None if rest is None or not running else rest / len(running),
    )


def n_read(row: ScanShard) -> int:
    """How much of `n_total` is read: what an earlier try had read counts for nothing."""
    return row.n_total if row.state == "done" else row.n_done if row.state == "running" else 0


def seconds_rest(shards: Sequence[ScanShard], spent: float) -> float | None:
    """Device time that the rest will take; None: too little is read to say."""
    total = sum(row.n_tokens for row in shards)
    done = sum(
        row.n_tokens * (n_read(row) / row.n_total if row.n_total else row.state == "done")
        for row in shards
    )
    if not total or done < EARLIEST * total:
        return None
    return (total - done) * spent / done


def stage(scan: Scan, running: Sequence[ScanShard]) -> str:
    """What is being done now, by the furthest of those who read."""
    if scan.state != "reading":
        return STAGES[scan.state].value if scan.state in STAGES else ""
    told = {row.stage or Stage.LOADING.value for row in running}
    order = (Stage.READING, Stage.COVERAGE, Stage.LOADING)
    return next((each.value for each in order if each.value in told), "")
