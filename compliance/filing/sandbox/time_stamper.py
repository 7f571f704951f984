"""A time-stamping authority to practise with: `openssl ts -reply`, with a key and a root of its own.

Both are made on first use and say SIMULATION in their names. A certificate of this root counts
only where an installation was told to take it.
"""

import subprocess
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from compliance.filing.sandbox.faults import problem
from compliance.loopback import Reply, Request

PATH: Final = "/time-stamps"
ROOT_PATH: Final = "/time-stamps/root.pem"
ROOT: Final = "root.pem"
STAMPS: Final = "time-stamps"
"""Its folder below the sandbox's own."""
POLICY: Final = "1.2.3.4.1"
"""Under the arc that OpenSSL's own examples use; it means nothing."""
_QUERY: Final = "application/timestamp-query"
_REPLY: Final = "application/timestamp-reply"
_MAX_QUERY: Final = 4 << 10
_DAYS: Final = "3650"
_SECONDS: Final = 20
_ORGANISATION: Final = "/O=Regulator sandbox"
# Without `certs`: OpenSSL would add a chain in an order that strict readers of DER refuse.
_SETTINGS: Final = f"""\
[req]
distinguished_name = name
[name]
[tsa]
default_tsa = own
[own]
serial = serial
default_policy = {POLICY}
digests = sha256, sha384, sha512
signer_digest = sha256
accuracy = secs:1
tsa_name = yes
ess_cert_id_alg = sha256
"""
_CURVE: Final = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", _DAYS)


@dataclass(frozen=True)
class TimeStamper:
    """The authority: a folder with its root, its key and the number of its last token."""

    folder: Path
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @classmethod
    def at(cls, folder: Path) -> Self:
        """Open a folder, or begin one with a new root and key."""
        found = cls(folder)
        if not (folder / ROOT).exists():
            found._begin()
        return found

    @property
    def root(self) -> Path:
        """The certificate that its tokens lead to, PEM."""
        return self.folder / ROOT

    def answer(self, request: Request) -> Reply:
        """A token for a query, or the root for whoever wants to check one."""
        if (request.method, request.path) == ("GET", ROOT_PATH):
            return Reply(200, self.root.read_bytes(), "application/x-pem-file")
        if (request.method, request.path) != ("POST", PATH):
            return problem(405, f"{request.method} is not understood here")
        if request.headers.get("content-type") != _QUERY or len(request.body) > _MAX_QUERY:
            return problem(415, f"expected {_QUERY} of at most {_MAX_QUERY} bytes")
        return Reply(200, self.stamp(request.body), _REPLY)

    def stamp(self, query: bytes) -> bytes:
        """OpenSSL's answer to a query; what is no query is answered with a rejection."""
        # One at a time: OpenSSL reads the last number from a file and writes the next one there.
        with self._lock, tempfile.TemporaryDirectory() as place:
            asked, said = Path(place, "query.tsq"), Path(place, "reply.tsr")
            asked.write_bytes(query)
            self._openssl(
                "ts", "-reply", "-section", "own", "-queryfile", str(asked), "-out", str(said),
                "-signer", "signer.pem", "-inkey", "signer.key",
            )  # fmt: skip
            return said.read_bytes()

    def _begin(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (self.folder / "openssl.cnf").write_text(_SETTINGS)
        (self.folder / "serial").write_text("01\n")
        self._openssl(
            "req", "-x509", *_CURVE, "-keyout", "root.key", "-out", "root.new",
            "-subj", f"{_ORGANISATION}/CN=SIMULATION time-stamping root",
            "-addext", "basicConstraints=critical,CA:TRUE",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign",
        )  # fmt: skip
        self._openssl(
            "req", "-x509", *_CURVE, "-keyout", "signer.key", "-out", "signer.pem",
            "-CA", "root.new", "-CAkey", "root.key",
            "-subj", f"{_ORGANISATION}/CN=SIMULATION time-stamping authority",
            "-addext", "basicConstraints=critical,CA:FALSE",
            "-addext", "keyUsage=critical,digitalSignature",
            "-addext", "extendedKeyUsage=critical,timeStamping",
        )  # fmt: skip
        # Last, because it says that the folder is complete.
        (self.folder / "root.new").rename(self.root)

    def _openssl(self, command: str, *arguments: str) -> None:
        done = subprocess.run(
            ["/usr/bin/env", "openssl", command, "-config", "openssl.cnf", *arguments],
            cwd=self.folder, capture_output=True, text=True, check=False, timeout=_SECONDS,
        )  # fmt: skip
        if done.returncode != 0:
            raise RuntimeError(f"openssl {command} ended with {done.returncode}: {done.stderr}")
