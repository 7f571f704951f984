import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import paramiko
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from compliance import clock
from compliance.egress import Egress, Policy
from compliance.filing import signing, wire
from compliance.filing.base import (
    Delivered,
    FilingChannel,
    FilingError,
    OutcomeUnknown,
    Proof,
    ReceiptPending,
)
from compliance.filing.load import load
from compliance.filing.receipt import Statement, sign
from compliance.filing.sftp import SftpFiling
from compliance.filing.ssh import load_private_key
from tests.compliance.filing.doubles import KEY, PACKAGE, SIGNER, Drop, sftp_server

AUTHORITY = Ed25519PrivateKey.generate()


def ssh_key(folder: Path, name: str) -> tuple[Path, paramiko.PKey]:
    path = folder / name
    path.write_bytes(
        Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.OpenSSH,
            serialization.NoEncryption(),
        )
    )
    path.chmod(0o600)
    return path, paramiko.PKey.from_path(str(path))


@pytest.fixture
def drop(tmp_path: Path) -> Iterator[Drop]:
    (tmp_path / "inbox").mkdir()
    _, host_key = ssh_key(tmp_path, "host")
    _, ours = ssh_key(tmp_path, "ours")
    with sftp_server(tmp_path / "inbox", ours, host_key) as found:
        yield found


def outlet(drop: Drop) -> Egress:
    return Egress(Policy(frozenset({f"127.0.0.1:{drop.port}"}), loopback=True, total_seconds=5))


def configured(drop: Drop) -> dict[str, object]:
    return {
        "host": "127.0.0.1",
        "port": drop.port,
        "username": "strata",
        "host_key": f"{drop.host_key.get_name()} {drop.host_key.get_base64()}",
        "key_file": str(drop.folder.parent / "ours"),
        "simulation": True,
    }


def channel(drop: Drop, **changes: object) -> SftpFiling:
    return load("sftp", configured(drop) | changes, egress=outlet(drop), signer=SIGNER)


def receipt(**changes: object) -> bytes:
    said = Statement(
        reference="MSA-7",
        filing=str(PACKAGE.filing),
        key=KEY,
        pdf_sha256=PACKAGE.pdf_sha256,
        json_sha256=PACKAGE.twin_sha256,
        received_at=clock.now(),
        simulation=True,
    )
    return sign(replace(said, **changes), AUTHORITY)


def public_key() -> str:
    from base64 import b64encode

    return b64encode(AUTHORITY.public_key().public_bytes_raw()).decode()


def test_a_package_is_put_in_place_whole_and_signed(drop):
    kept: FilingChannel = channel(drop)
    done = kept.submit(PACKAGE, KEY)
    assert isinstance(done, Delivered)
    assert done.reference == f"./{KEY}.zip"
    assert [each.name for each in drop.folder.iterdir()] == [f"{KEY}.zip"]
    content = (drop.folder / f"{KEY}.zip").read_bytes()
    arrived = wire.unzipped(content)
    assert (arrived.pdf, arrived.twin) == (PACKAGE.pdf, PACKAGE.twin)
    public = SIGNER.private.public_key()
    signing.check(arrived.signatures, signing.MANIFEST_TYPE, arrived.manifest_bytes, public)
    assert done.exchange.sent_sha256 == sha256(content).hexdigest()
    assert done.exchange.tls_sha256 == sha256(drop.host_key.asbytes()).hexdigest()


def test_nothing_is_seen_under_its_name_before_it_is_whole(drop):
    channel(drop).submit(PACKAGE, KEY)
    assert drop.seen == ["auth strata", f"open ./.{KEY}.part", f"rename ./{KEY}.zip"]


def test_the_same_file_counts_as_there_already(drop):
    way = channel(drop)
    way.submit(PACKAGE, KEY)
    drop.seen.clear()
    assert isinstance(way.submit(PACKAGE, KEY), Delivered)
    assert drop.seen == ["auth strata", f"open ./{KEY}.zip"]


@pytest.mark.parametrize("change", ["longer", "other"])
def test_another_file_of_that_name_is_an_error_and_stays(drop, change):
    way = channel(drop)
    way.submit(PACKAGE, KEY)
    there = drop.folder / f"{KEY}.zip"
    other = there.read_bytes()[:-1] + b"!" + (b"!" if change == "longer" else b"")
    there.write_bytes(other)
    for ask in (way.submit, way.find):
        with pytest.raises(FilingError, match="with other content") as caught:
            ask(PACKAGE, KEY)
        assert caught.value.permanent
    assert there.read_bytes() == other


def test_a_receipt_beside_it_is_fetched_and_checked(drop):
    way = channel(drop, public_key=public_key())
    with pytest.raises(ReceiptPending, match="not there yet"):
        way.submit(PACKAGE, KEY)
    with pytest.raises(ReceiptPending):
        way.find(PACKAGE, KEY)
    (drop.folder / f"{KEY}.receipt").write_bytes(receipt())
    found = way.find(PACKAGE, KEY)
    assert (found.reference, found.proof) == ("MSA-7", Proof.SIGNED)
    assert way.submit(PACKAGE, KEY).raw == found.raw


def test_a_receipt_is_enough_when_the_recipient_took_the_file_away(drop):
    (drop.folder / f"{KEY}.receipt").write_bytes(receipt())
    way = channel(drop, public_key=public_key())
    assert way.find(PACKAGE, KEY).reference == "MSA-7"
    assert way.submit(PACKAGE, KEY).reference == "MSA-7"
    assert not (drop.folder / f"{KEY}.zip").exists()


@pytest.mark.parametrize("raw", [b"thank you", receipt(pdf_sha256="0" * 64)])
def test_a_receipt_that_proves_nothing_needs_a_person(drop, raw):
    (drop.folder / f"{KEY}.receipt").write_bytes(raw)
    with pytest.raises(OutcomeUnknown, match="proves nothing") as caught:
        channel(drop, public_key=public_key()).find(PACKAGE, KEY)
    assert caught.value.needs_human


def test_an_empty_folder_says_that_nothing_was_filed(drop):
    assert channel(drop).find(PACKAGE, KEY) is None


def test_another_host_key_ends_it_before_we_say_who_we_are(drop, tmp_path):
    _, other = ssh_key(tmp_path, "other")
    way = channel(drop, host_key=f"ssh-ed25519 {other.get_base64()}")
    with pytest.raises(FilingError, match="is pinned; nothing was sent") as caught:
        way.submit(PACKAGE, KEY)
    assert caught.value.permanent
    assert drop.seen == []


def test_a_key_that_is_not_let_in_filed_nothing(drop, tmp_path):
    path, _ = ssh_key(tmp_path, "stranger")
    with pytest.raises(FilingError, match="does not let strata in") as caught:
        channel(drop, key_file=str(path)).submit(PACKAGE, KEY)
    assert caught.value.permanent
    assert list(drop.folder.iterdir()) == []


@pytest.mark.parametrize("moment", ["open", "rename"])
def test_a_line_cut_before_the_file_was_in_place_filed_nothing(drop, moment):
    drop.cuts_at = moment
    kind = OutcomeUnknown if moment == "rename" else FilingError
    with pytest.raises(kind) as caught:
        channel(drop).submit(PACKAGE, KEY)
    assert not caught.value.permanent
    assert not (drop.folder / f"{KEY}.zip").exists()


def test_a_line_cut_while_it_was_put_in_place_is_not_known_and_then_found(drop):
    drop.cuts_at = "rename-after"
    way = channel(drop)
    with pytest.raises(OutcomeUnknown, match="look into the folder"):
        way.submit(PACKAGE, KEY)
    drop.cuts_at = ""
    assert isinstance(way.find(PACKAGE, KEY), Delivered)


def test_a_folder_that_is_not_there_is_told_for_good(drop):
    with pytest.raises(FilingError, match="nothing was filed") as caught:
        channel(drop, folder="elsewhere").submit(PACKAGE, KEY)
    assert not isinstance(caught.value, OutcomeUnknown)


def test_a_host_that_is_away_or_not_allowed_filed_nothing(drop):
    way = channel(drop)
    closed = replace(way, egress=Egress(Policy(frozenset(), loopback=True)))
    with pytest.raises(FilingError, match="not among the hosts") as caught:
        closed.submit(PACKAGE, KEY)
    assert caught.value.permanent
    with sftp_server(drop.folder, drop.allowed, drop.host_key) as gone:
        away = channel(drop, port=gone.port)
    away = replace(
        away, egress=Egress(Policy(frozenset({f"127.0.0.1:{gone.port}"}), loopback=True))
    )
    with pytest.raises(FilingError, match="nothing was") as caught:
        away.submit(PACKAGE, KEY)
    assert not caught.value.permanent


def test_a_simulation_goes_nowhere_real(drop):
    with pytest.raises(FilingError, match="nothing was sent"):
        channel(drop, simulation=False).submit(PACKAGE, KEY)
    assert drop.seen == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"host_key": ""}, "host's public key"),
        ({"host_key": "ssh-ed25519 AAAA"}, "host's public key"),
        ({"key_file": "/nowhere"}, "holds no key that opens"),
        ({"folder": "a\nb"}, "folder is a path"),
        ({"simulation": "no"}, "said outright"),
        ({"timeout_seconds": 900}, "timeout_seconds"),
    ],
)
def test_a_configuration_that_lacks_something_is_refused(drop, change, message):
    with pytest.raises(FilingError, match=message) as caught:
        channel(drop, **change)
    assert caught.value.permanent


def test_a_key_that_others_can_read_is_refused(drop):
    (drop.folder.parent / "ours").chmod(0o644)
    with pytest.raises(FilingError, match="chmod 600"):
        channel(drop)


def test_a_host_is_known_by_its_key_whatever_its_kind(drop):
    kinds = [paramiko.RSAKey.generate(2048), paramiko.ECDSAKey.generate()]
    for number, host_key in enumerate(kinds):
        with sftp_server(drop.folder, drop.allowed, host_key) as there:
            package = replace(PACKAGE, filing=UUID(int=number))
            assert isinstance(channel(there).submit(package, f"k{number}"), Delivered)


def test_a_host_that_takes_its_time_ends_with_the_deadline(drop):
    drop.cuts_at = "stall"
    started = time.monotonic()
    with pytest.raises(FilingError, match="nothing was filed") as caught:
        channel(drop, timeout_seconds=1).submit(PACKAGE, KEY)
    assert not caught.value.permanent
    assert time.monotonic() - started < 4
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        policy = Policy(frozenset({f"127.0.0.1:{port}"}), loopback=True, total_seconds=1)
        way = channel(drop, port=port)
        with pytest.raises(FilingError, match="nothing was filed") as caught:
            replace(way, egress=Egress(policy)).submit(PACKAGE, KEY)
    assert time.monotonic() - started < 8


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_a_sealed_key_is_opened_by_the_secret_that_is_named(drop, kind):
    private = {
        "ed25519": Ed25519PrivateKey.generate,
        "rsa": lambda: rsa.generate_private_key(65_537, 2_048),
        "ecdsa": lambda: ec.generate_private_key(ec.SECP256R1()),
    }[kind]()
    path = drop.folder.parent / "ours"
    path.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.OpenSSH,
            serialization.BestAvailableEncryption(b"correct horse"),
        )
    )
    drop.allowed = load_private_key(path, "correct horse")
    with pytest.raises(FilingError, match="name it by secret_ref"):
        channel(drop)
    known = {"KEY": "correct horse", "WRONG": "battery"}.__getitem__
    config = configured(drop) | {"secret_ref": "KEY"}
    way = load("sftp", config, egress=outlet(drop), secrets=known)
    assert isinstance(way.submit(PACKAGE, KEY), Delivered)
    with pytest.raises(FilingError, match="holds no key that opens"):
        load("sftp", config | {"secret_ref": "WRONG"}, egress=outlet(drop), secrets=known)
