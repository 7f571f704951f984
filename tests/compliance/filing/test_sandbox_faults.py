"""Every way the sandbox fails, over real sockets, against the channel that must cope with it."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from uuid import UUID

import pytest

from compliance import loopback
from compliance.egress import Egress, Policy
from compliance.filing import wire
from compliance.filing.asking import carry
from compliance.filing.base import (
    FilingError,
    FilingPackage,
    OutcomeUnknown,
    Receipt,
    Rejected,
    idempotency_key,
)
from compliance.filing.http import HttpFiling
from compliance.filing.sandbox import Sandbox
from compliance.filing.sandbox.callback import Callbacks
from compliance.filing.sandbox.faults import Fault, Kind, Plan
from compliance.filing.sandbox.store import Store
from compliance.loopback import Reply, Request
from tests.compliance.filing.doubles import KEY, PACKAGE

# What the channel makes of a fault, and how many filings the sandbox has after it.
FATES: dict[str, tuple[type, int]] = {
    "ok": (Receipt, 1),
    "slow=0.2": (Receipt, 1),
    "slow=3": (OutcomeUnknown, 1),
    "hang": (OutcomeUnknown, 0),
    "hang-after": (OutcomeUnknown, 1),
    "503": (FilingError, 0),
    "429=7": (FilingError, 0),
    "500": (OutcomeUnknown, 0),
    "500-after": (OutcomeUnknown, 1),
    "drop": (OutcomeUnknown, 0),
    "drop-after": (OutcomeUnknown, 1),
    "malformed": (OutcomeUnknown, 1),
    "truncated": (OutcomeUnknown, 1),
    "rejected": (Rejected, 0),
    "duplicate": (Receipt, 1),
    "callback=60": (OutcomeUnknown, 1),
}


@contextmanager
def channel(sandbox: Sandbox, seconds: float = 1.0) -> Iterator[HttpFiling]:
    with loopback.serving(sandbox.answer) as base:
        allowed = frozenset({base.removeprefix("http://")})
        yield HttpFiling(
            url=f"{base}/filings",
            public_key=sandbox.private.public_key(),
            egress=Egress(Policy(allowed, loopback=True, total_seconds=seconds)),
            simulation=True,
        )


def test_every_fault_is_tried_here():
    assert {Fault.parse(text).kind for text in FATES} == set(Kind)


@pytest.mark.parametrize(("fault", "fate"), FATES.items(), ids=FATES)
def test_each_fault_ends_as_it_must(tmp_path, fault, fate):
    sandbox, (kind, kept) = Sandbox.at(tmp_path, plan=Plan.of([fault])), fate
    with channel(sandbox) as filing:
        try:
            outcome = filing.submit(PACKAGE, KEY)
        except FilingError as error:
            outcome = error
    assert type(outcome) is kind or (kind is OutcomeUnknown and isinstance(outcome, kind))
    assert len(list(sandbox.filings())) == kept


@pytest.mark.parametrize("fault", [text for text in FATES if not text.startswith("callback")])
def test_after_each_fault_asking_and_trying_again_files_once(tmp_path, fault):
    sandbox = Sandbox.at(tmp_path, plan=Plan.of(each=[fault]))
    with channel(sandbox, 0.4) as filing:
        try:
            outcome = carry(filing, PACKAGE, KEY, may_be_there=False)
        except FilingError as error:
            is_unknown = isinstance(error, OutcomeUnknown)
            outcome = carry(filing, PACKAGE, KEY, may_be_there=is_unknown)
    if fault != "rejected":
        assert isinstance(outcome, Receipt)
        assert len(list(sandbox.filings())) == 1


def test_retry_after_is_told():
    reply = Fault.parse("429=7").instead()
    assert (reply.status, reply.headers["Retry-After"]) == (429, "7")


@pytest.mark.parametrize("text", ["", "nonsense", "slow=x", "slow=-1", "hang=9999", "503=nan"])
def test_a_fault_that_is_none_is_refused(text):
    with pytest.raises(ValueError, match="expected"):
        Fault.parse(text)


def test_a_plan_says_who_meets_what():
    plan = Plan.of(["drop"], each=["500", "slow=1"], rotate=["429", "503"])
    met = [str(plan.next(key).kind) for key in ("a", "a", "a", "a", "b", "b", "c", "a")]
    assert met == ["drop", "429", "slow", "ok", "503", "slow", "429", "ok"]
    with pytest.raises(ValueError, match="at most"):
        Plan.of(["ok"] * 10_001)


def test_the_plan_can_be_changed_while_it_runs_and_all_of_it_can_be_down(tmp_path):
    sandbox = Sandbox.at(tmp_path)

    def plan(body: bytes) -> int:
        return sandbox.answer(Request("POST", "/plan", {}, {}, body)).status

    with channel(sandbox) as filing:
        assert plan(b'{"down": true}') == 200
        for ask in (filing.submit, filing.find):
            with pytest.raises(FilingError, match="503") as caught:
                ask(PACKAGE, KEY)
            assert not isinstance(caught.value, OutcomeUnknown)
        assert plan(b'{"steps": ["429"]}') == 200
        with pytest.raises(FilingError, match="429"):
            filing.submit(PACKAGE, KEY)
        assert isinstance(filing.submit(PACKAGE, KEY), Receipt)
    for wrong in (b"", b"[]", b'{"steps": 7}', b'{"other": []}', b'{"steps": ["x"]}'):
        assert plan(wrong) == 400


def numbered(number: int) -> FilingPackage:
    return replace(PACKAGE, filing=UUID(int=number + 1))


def test_a_thousand_filings_by_thirty_two_callers_are_each_kept_once(tmp_path):
    sandbox = Sandbox.at(tmp_path)
    packages = [numbered(n) for n in range(1_000)]
    with channel(sandbox, 20) as filing, ThreadPoolExecutor(32) as pool:
        started = time.monotonic()
        receipts = list(pool.map(lambda each: filing.submit(each, idempotency_key(each)), packages))
        took = time.monotonic() - started
    assert len({receipt.reference for receipt in receipts}) == 1_000
    assert len(list(sandbox.filings())) == 1_000
    assert took < 60, "a filing costs the same however many there are"


def test_a_hundred_that_meet_every_fault_in_turn_end_filed_once(tmp_path):
    faults = ["503=0", "429=0", "500", "500-after", "drop", "drop-after", "malformed", "truncated"]
    sandbox = Sandbox.at(tmp_path, plan=Plan.of(rotate=[*faults, "duplicate", "slow=0.1"]))

    def persist(package: FilingPackage) -> Receipt:
        key, may_be_there = idempotency_key(package), False
        for _ in range(5):
            try:
                return carry(filing, package, key, may_be_there=may_be_there)
            except FilingError as error:
                may_be_there = may_be_there or isinstance(error, OutcomeUnknown)
        raise AssertionError("it never got through")

    with channel(sandbox, 20) as filing, ThreadPoolExecutor(16) as pool:
        receipts = list(pool.map(persist, [numbered(n) for n in range(100)]))
    kept = [filed.about["filing"] for filed in sandbox.filings()]
    assert len(receipts) == len(kept) == len(set(kept)) == 100


def test_the_same_filing_by_many_at_once_is_kept_once(tmp_path):
    sandbox = Sandbox.at(tmp_path)
    with channel(sandbox, 20) as filing, ThreadPoolExecutor(32) as pool:
        receipts = list(pool.map(lambda _: filing.submit(PACKAGE, KEY), range(50)))
    assert len({receipt.raw for receipt in receipts}) == 1
    assert len(list(sandbox.filings())) == 1


def test_a_filing_that_could_not_be_written_leaves_its_key_free(tmp_path):
    store = Store.at(tmp_path)
    about = {"key": "k", "filing": "f", "manifest_sha256": "m"}

    def broken(_: str) -> dict[str, bytes]:
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        store.keep(about, broken)
    filed, is_new = store.keep(about, lambda _: {"about.json": json.dumps(about).encode()})
    assert (filed.reference, is_new) == ("SIM-000002", True)
    assert store.by_key("k") == filed
    assert Store.at(tmp_path).by_key("k") == filed


def test_a_receipt_that_is_owed_is_paid_after_a_restart(tmp_path):
    body = wire.encode(PACKAGE)
    headers = {"content-type": body.content_type, "idempotency-key": KEY}
    before = Sandbox.at(tmp_path, plan=Plan.of(["callback=3600"]))
    assert before.answer(Request("POST", "/filings", {}, headers, body.content)).status == 202
    came = threading.Event()

    def listen(_: Request) -> Reply:
        came.set()
        return Reply(200, b"")

    with loopback.serving(listen) as inbox:
        after = Sandbox.at(tmp_path, callback=f"{inbox}/receipts")
        assert came.wait(5)
        end = time.monotonic() + 5
        while next(after.filings()).is_pending and time.monotonic() < end:
            time.sleep(0.01)
    assert after.answer(Request("GET", "/filings", {"key": KEY}, {}, b"")).status == 200


@pytest.mark.parametrize(
    "url", ["https://a.example/r", "http://a.example:80/r", "http://127.0.0.1/r", "x"]
)
def test_receipts_are_sent_to_this_machine_alone(url):
    with pytest.raises(ValueError, match=r"expected http://127\.0\.0\.1"):
        Callbacks.to(url)


def test_the_program_fails_as_its_flags_say(tmp_path):
    command = [sys.executable, "-m", "compliance.filing.sandbox", "--port", "0", "--state"]
    flags = ["--plan", "drop-after,429=1", "--each", "rejected"]
    process = subprocess.Popen(
        [*command, str(tmp_path), *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        base = process.stdout.readline().split()[-1]
        filing = HttpFiling(
            url=f"{base}/filings",
            public_key=Sandbox.at(tmp_path).private.public_key(),
            egress=Egress(Policy(frozenset({base.removeprefix("http://")}), loopback=True)),
            simulation=True,
        )
        with pytest.raises(OutcomeUnknown):
            filing.submit(PACKAGE, KEY)
        assert filing.find(PACKAGE, KEY).reference == "SIM-000001"
        with pytest.raises(FilingError, match="429"):
            filing.submit(numbered(1), "k1")
        assert isinstance(filing.submit(numbered(1), "k1"), Rejected)
        process.terminate()


def test_killed_after_it_had_accepted_it_knows_the_filing_when_it_is_back(tmp_path):
    command = [sys.executable, "-m", "compliance.filing.sandbox", "--port", "0", "--state"]
    kept = []
    for flags in (["--plan", "hang-after"], []):
        process = subprocess.Popen(
            [*command, str(tmp_path), *flags],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        with process:
            base = process.stdout.readline().split()[-1]
            filing = HttpFiling(
                url=f"{base}/filings",
                public_key=Sandbox.at(tmp_path).private.public_key(),
                egress=Egress(
                    Policy(
                        frozenset({base.removeprefix("http://")}), loopback=True, total_seconds=1
                    )
                ),
                simulation=True,
            )
            try:
                kept.append(carry(filing, PACKAGE, KEY, may_be_there=not flags))
            except OutcomeUnknown:
                kept.append(None)
            process.kill()
    assert kept[0] is None
    assert kept[1].reference == "SIM-000001"
    assert len(list(Store.at(tmp_path / "filings").all())) == 1
