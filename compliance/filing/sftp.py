"""Filing by SFTP: one archive under its key, put in place whole, and a receipt beside it.

1. Look whether `KEY.zip` is there. With the same digest it counts as filed; with another it is an
   error, and nothing is overwritten.
2. Upload under a temporary name, compare the size, rename. A recipient that watches the folder
   never sees half of it.
3. Fetch `KEY.receipt`, where the recipient writes receipts, and check its signature.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from paramiko import SFTPClient, SSHException

from compliance import clock
from compliance.audit.checkpoint import Signer
from compliance.egress import Egress
from compliance.filing import proof, signing, wire
from compliance.filing.base import (
    Delivered,
    FilingError,
    FilingPackage,
    OutcomeUnknown,
    Receipt,
    ReceiptPending,
)
from compliance.filing.earnest import check_simulation
from compliance.filing.exchange import MAX_BODY, Exchange
from compliance.filing.receipt import ReceiptRefused
from compliance.filing.ssh import Account, session
from compliance.hostile import one_line
from compliance.phrase import Phrase

MAX_ENTRIES: Final = 100_000
"""So many files of a folder are looked through."""
_BROKEN: Final = (SSHException, EOFError, OSError)
_PIECE: Final = 32 << 10


@dataclass(frozen=True)
class Listed:
    """What lies in the folder under our key: sizes in bytes, or None."""

    package: int | None = None
    receipt: int | None = None


@dataclass(frozen=True)
class SftpFiling:
    """One recipient's drop folder."""

    account: Account
    folder: str
    egress: Egress = field(repr=False)
    simulation: bool
    public_key: Ed25519PublicKey | None = None
    """The key receipts are signed with; None where the recipient writes none."""
    signer: Signer | None = field(default=None, repr=False)
    is_idempotent: bool = False
    """Whether the recipient takes one name once, even after it has moved the file away."""

    def submit(self, package: FilingPackage, key: str) -> Receipt | Delivered:
        """Put the archive in place, if it is not there, and look for a receipt."""
        check_simulation(package, channel_is_simulation=self.simulation)
        content = self._archive(package)
        with self._session(key) as client:
            there = self._listed(client, key)
            if there.receipt is None and there.package is None:
                self._put(client, key, content)
            elif there.package is not None:
                self._check_same(client, key, there, content)
            return self._after(client, package, key, content)

    def find(self, package: FilingPackage, key: str) -> Receipt | Delivered | None:
        """Look into the folder."""
        content = self._archive(package)
        with self._session(key) as client:
            there = self._listed(client, key)
            if found := self._receipt(client, package, key, there, content):
                return found
            if there.package is None and there.receipt is None:
                return None
            if there.package is not None:
                self._check_same(client, key, there, content)
            return self._without_receipt(key, content)

    def _archive(self, package: FilingPackage) -> bytes:
        return wire.zipped(signing.signed(package, self.signer))

    @contextmanager
    def _session(self, key: str) -> Iterator[SFTPClient]:
        """A line on which whatever breaks, and was not judged nearer to it, filed nothing."""
        with session(self.account, self.egress) as client:
            try:
                yield client
            except _BROKEN as error:
                raise FilingError(
                    f"{self.account.host}: {_words(error)}; nothing was filed",
                    permanent=isinstance(error, PermissionError | FileNotFoundError),
                    exchange=self._exchange(key),
                ) from error

    def _listed(self, client: SFTPClient, key: str) -> Listed:
        found = Listed()
        for number, entry in enumerate(client.listdir_iter(self.folder)):
            if number >= MAX_ENTRIES:
                raise FilingError(
                    f"{self.folder} holds more than {MAX_ENTRIES} files; ask the recipient to "
                    "clear it",
                    permanent=True,
                )
            if entry.filename == f"{key}.zip":
                found = replace(found, package=entry.st_size or 0)
            if entry.filename == f"{key}.receipt":
                found = replace(found, receipt=entry.st_size or 0)
        return found

    def _put(self, client: SFTPClient, key: str, content: bytes) -> None:
        aside = self._path(f".{key}.part")
        with client.open(aside, "wb") as file:
            file.set_pipelined(True)
            for start in range(0, len(content), _PIECE):
                file.write(content[start : start + _PIECE])
        if client.stat(aside).st_size != len(content):
            raise FilingError(
                f"{aside} arrived with another size; nothing was filed", permanent=False
            )
        try:
            client.rename(aside, self._path(f"{key}.zip"))
        except _BROKEN as error:
            self._settle(client, key, content, error)

    def _settle(self, client: SFTPClient, key: str, content: bytes, error: Exception) -> None:
        """The renaming failed: did it happen all the same, or did somebody do it before us?"""
        try:
            there = self._listed(client, key)
        except _BROKEN as lost:
            raise OutcomeUnknown(
                f"{self.account.host}: {_words(error)} while the file was put in place; "
                "it may have been filed, look into the folder",
                exchange=self._exchange(key, content),
            ) from lost
        if there.package is None:
            raise error
        self._check_same(client, key, there, content)

    def _check_same(self, client: SFTPClient, key: str, there: Listed, content: bytes) -> None:
        """Refuse to take a file of our name for ours when it is not."""
        if there.package == len(content):
            with client.open(self._path(f"{key}.zip"), "rb") as file:
                file.prefetch(len(content))
                if file.read(len(content)) == content:
                    return
        raise FilingError(
            f"{self._path(f'{key}.zip')} is there with other content than ours, which has "
            f"{len(content)} bytes and the digest {sha256(content).hexdigest()}; nothing was "
            "overwritten or filed; ask the recipient what it is",
            permanent=True,
            exchange=self._exchange(key),
        )

    def _after(
        self, client: SFTPClient, package: FilingPackage, key: str, content: bytes
    ) -> Receipt | Delivered:
        """It lies there. From here on nothing that breaks can say that it was not filed."""
        try:
            found = self._receipt(client, package, key, self._listed(client, key), content)
            if found is not None:
                return found
        except _BROKEN:
            pass  # The receipt can be fetched later; the folder is asked again.
        return self._without_receipt(key, content)

    def _receipt(
        self,
        client: SFTPClient,
        package: FilingPackage,
        key: str,
        there: Listed,
        content: bytes,
    ) -> Receipt | None:
        """The receipt beside the file, if there is one and its key is known."""
        if there.receipt is None or self.public_key is None:
            return None
        path = self._path(f"{key}.receipt")
        with client.open(path, "rb") as file:
            raw = file.read(proof.MAX_RECEIPT)
        exchange = replace(
            self._exchange(key, content),
            body=raw[:MAX_BODY],
            body_size=len(raw),
            body_sha256=sha256(raw).hexdigest(),
        )
        try:
            return proof.prove(raw, self.public_key, package, key, exchange=exchange)
        except ReceiptRefused as error:
            raise OutcomeUnknown(
                f"{path} proves nothing: {error}", exchange=exchange, needs_human=True
            ) from error

    def _without_receipt(self, key: str, content: bytes) -> Delivered:
        """It lies there and nothing proves yet that anybody took it.

        Raises:
            ReceiptPending: the recipient writes receipts, so one is waited for.
        """
        path, exchange = self._path(f"{key}.zip"), self._exchange(key, content)
        if self.public_key is not None:
            raise ReceiptPending(
                f"{path} is in place, and its receipt is not there yet", exchange=exchange
            )
        return Delivered(
            portal=f"sftp://{self.account.host}:{self.account.port}",
            steps=(
                Phrase("The package lies at %(path)s on the recipient's server.", path=path),
                Phrase("Wait for the recipient's confirmation, and enter it as the receipt."),
            ),
            exchange=exchange,
            reference=path,
            at=clock.now(),
        )

    def _path(self, name: str) -> str:
        return f"{self.folder.rstrip('/') or '/'}/{name}".replace("//", "/")

    def _exchange(self, key: str, content: bytes = b"") -> Exchange:
        return Exchange(
            key=key,
            sent_sha256=sha256(content).hexdigest() if content else "",
            address=f"{self.account.host}:{self.account.port}",
            tls_sha256=self.account.host_key_sha256,
        )


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {one_line(str(error))}"
