"""The one way out: HTTP to hosts that were allowed, at addresses that were checked.

1. The URL must be https, without user or fragment, and its host on the allow-list.
2. The name is resolved once. If any address it has is not a public one, nothing is sent: a name
   that points both outside and inside is an attack, not a choice.
3. The connection goes to a checked address and to no other, while TLS still asks for the name. A
   name that changes its mind between check and connection gains nothing.
4. Redirects are not followed, proxies are not read from the environment, cookies are not kept.
5. The whole exchange has a deadline and the answer a size; a drip of bytes meets both.
6. What speaks another protocol than HTTP gets its connection here too, by steps 1 to 3.

Loopback, and plain http to it, are open only where the policy says so: a demo on one machine.
Not bounded here: how long the system's resolver may take.
"""

import functools
import hashlib
import ipaddress
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import httpcore
from typing_extensions import override

from compliance import clock

MAX_URL: Final = 2_048
_PLAIN_URL: Final = re.compile(r"[\x21-\x7e]+\Z")
_HOST: Final = re.compile(r"[a-z0-9._:-]+\Z")
_NOT_NOW: Final = frozenset({408, 425, 429, 503})
_PORTS: Final = {"https": 443, "http": 80}
# Protocols that hide what they carry. The others are open to loopback alone.
_HIDDEN: Final = frozenset({"https", "sftp", "smtps", "smtp+starttls"})
_LAST_PORT: Final = 65_535
_GLOBAL_UNICAST_6: Final = ipaddress.IPv6Network("2000::/3")
# They carry an IPv4 address inside, or lead to one: never a plain destination.
_TUNNELS: Final = tuple(
    ipaddress.ip_network(net) for net in ("2001::/32", "2002::/16", "192.88.99.0/24")
)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Iterable[str]]


class EgressError(Exception):
    """An exchange with the outside did not happen, or not whole."""


class EgressRefused(EgressError):
    """We did not go: the policy forbids it. Trying again changes nothing."""


class EgressFailed(EgressError):
    """We went, and something broke on the way."""

    def __init__(self, message: str, *, sent: bool, tls_sha256: str = "") -> None:
        """Say what broke, whether any of the request may have arrived, and at whose certificate."""
        super().__init__(message)
        self.sent = sent
        self.tls_sha256 = tls_sha256


@dataclass(frozen=True)
class Policy:
    """Where we may go and how long it may take."""

    hosts: frozenset[str]
    """`name` (at the scheme's own port) or `name:port`; exact, there are no wildcards."""
    loopback: bool = False
    """Whether 127.0.0.0/8 and ::1 count as addresses, and plain http to them as safe."""
    connect_seconds: float = 5.0
    total_seconds: float = 15.0
    max_bytes: int = 1 << 20


class Destination(NamedTuple):
    """A URL taken apart."""

    scheme: str
    host: str
    port: int
    target: str


@dataclass(frozen=True)
class Answer:
    """What the other side said, whatever its status."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case; of a repeated header the last."""
    body: bytes = field(repr=False)
    address: str
    """The address we were connected to."""
    tls_sha256: str
    """Digest of the certificate it showed, or empty without TLS."""

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx; a redirect is none."""
        return 200 <= self.status < 300  # noqa: PLR2004  The range is the definition.

    @property
    def is_not_now(self) -> bool:
        """Whether it turned us away for the moment and did nothing."""
        return self.status in _NOT_NOW

    @property
    def is_broken(self) -> bool:
        """Whether something failed over there, perhaps after the work was done."""
        return self.status >= 500 and not self.is_not_now  # noqa: PLR2004  So HTTP has it.

    @property
    def retry_after_seconds(self) -> float | None:
        """How long it asked us to wait, if it did and it makes sense."""
        return _retry_after(self.headers.get("retry-after", ""))


def resolve(host: str, port: int) -> list[str]:
    """Every address the system's resolver knows for a name."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@functools.cache
def trust() -> ssl.SSLContext:
    """The authorities this system trusts; read once, it takes 20 ms."""
    return ssl.create_default_context()


@dataclass(frozen=True)
class Egress:
    """A client bound to one policy."""

    policy: Policy
    resolve: Resolve = resolve
    tls: ssl.SSLContext = field(default_factory=trust, repr=False)

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Ask for something."""
        return self.exchange("GET", url, headers=headers)

    def post(self, url: str, body: bytes, headers: Mapping[str, str] | None = None) -> Answer:
        """Bring something."""
        return self.exchange("POST", url, body=body, headers=headers)

    def exchange(
        self,
        method: str,
        url: str,
        *,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request, one answer.

        Raises:
            EgressRefused: the URL, its host or its address is not allowed.
            EgressFailed: no whole answer came in time and size.
        """
        destination = parse(url, self.policy)
        addresses = self._checked_addresses(destination)
        route = _Route(addresses, self.policy.connect_seconds, self.policy.total_seconds)
        try:
            return self._over(
                route, destination, method, _headers(destination, body, headers), body
            )
        except (httpcore.TimeoutException, TimeoutError) as error:
            raise EgressFailed(
                f"{destination.host}: no whole answer within {self.policy.total_seconds:g} s",
                sent=route.sent,
                tls_sha256=route.tls_sha256,
            ) from error
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as error:
            raise EgressFailed(
                f"{destination.host}: {type(error).__name__}: {error}",
                sent=route.sent,
                tls_sha256=route.tls_sha256,
            ) from error

    def connect(self, scheme: str, host: str, port: int) -> socket.socket:
        """A connection for another protocol: `sftp`, `smtps`, `smtp+starttls`, or plain `smtp`.

        The policy must name host and port. Each wait on the socket ends with the policy's
        deadline; how long they last together is the caller's to bound.

        Raises:
            EgressRefused: the host or its address is not allowed, or the protocol hides nothing.
            EgressFailed: nobody answers there; nothing was sent.
        """
        if not _HOST.match(host) or not 0 < port <= _LAST_PORT:
            raise EgressRefused(f"expected a host's name and a port; came {host[:80]!r}, {port}")
        destination = Destination(scheme, host, port, "")
        _check_allowed(destination, self.policy)
        failure = ""
        for address in self._checked_addresses(destination):
            try:
                found = socket.create_connection((address, port), self.policy.connect_seconds)
            except OSError as error:
                failure = str(error)
            else:
                found.settimeout(self.policy.total_seconds)
                return found
        raise EgressFailed(f"{host}: {failure}", sent=False)

    def _checked_addresses(self, destination: Destination) -> list[str]:
        try:
            addresses = list(self.resolve(destination.host, destination.port))
        except (OSError, UnicodeError) as error:
            raise EgressFailed(
                f"{destination.host}: the name does not resolve: {error}", sent=False
            ) from error
        for address in addresses:
            check_address(address, destination, self.policy)
        if not addresses:
            raise EgressFailed(f"{destination.host}: the name has no address", sent=False)
        return addresses

    def _over(
        self,
        route: "_Route",
        destination: Destination,
        method: str,
        headers: list[tuple[str, str]],
        body: bytes,
    ) -> Answer:
        url = httpcore.URL(
            scheme=destination.scheme.encode(),
            host=destination.host.encode(),
            port=destination.port,
            target=destination.target.encode(),
        )
        with (
            httpcore.ConnectionPool(
                ssl_context=self.tls, network_backend=route, max_connections=1, retries=0
            ) as pool,
            pool.stream(method, url, headers=headers, content=body) as response,
        ):
            return self._read(response, route, destination)

    def _read(
        self, response: httpcore.Response, route: "_Route", destination: Destination
    ) -> Answer:
        headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in response.headers}
        if headers.get("content-encoding", "identity") != "identity":
            raise EgressFailed(
                f"{destination.host}: expected an answer without content encoding; "
                f"came {headers['content-encoding'][:40]!r}",
                sent=True,
            )
        body = bytearray()
        for piece in response.iter_stream():
            body += piece
            if len(body) > self.policy.max_bytes:
                raise EgressFailed(
                    f"{destination.host}: the answer is longer than {self.policy.max_bytes} bytes",
                    sent=True,
                )
        return Answer(response.status, headers, bytes(body), route.address, route.tls_sha256)


def parse(url: str, policy: Policy) -> Destination:
    """Take a URL apart and ask the policy about it; nothing is resolved yet.

    Raises:
        EgressRefused: it says which part is not allowed and what is.
    """
    if len(url) > MAX_URL or not _PLAIN_URL.match(url) or "\\" in url:
        raise EgressRefused(
            f"expected a URL of at most {MAX_URL} printable ASCII characters without backslash "
            f"(names of other scripts as xn--…); came {url[:80]!r}"
        )
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or ""), parts.port
    except ValueError as error:
        raise EgressRefused(f"{url[:80]!r} is no URL: {error}") from error
    if parts.scheme not in ("https", "http") or not _HOST.match(host):
        raise EgressRefused(f"expected https://host/…; came {url[:80]!r}")
    if "@" in parts.netloc or parts.fragment:
        raise EgressRefused(f"{host}: a URL may hold neither user nor fragment")
    found = Destination(parts.scheme, host, port or _PORTS[parts.scheme], _target(parts))
    _check_allowed(found, policy)
    return found


def check_address(address: str, destination: Destination, policy: Policy) -> None:
    """Refuse an address that is not a plain public one.

    Raises:
        EgressRefused: it leads inside, to many, or through a tunnel.
    """
    ip = ipaddress.ip_address(address)
    if ip.is_loopback and policy.loopback:
        return
    if destination.scheme not in _HIDDEN:
        raise EgressRefused(
            f"{destination.host}: plain {destination.scheme} is open to loopback alone; use TLS"
        )
    if not is_public(ip):
        raise EgressRefused(
            f"{destination.host} has the address {address}, which is not a public one; "
            "nothing was sent"
        )


def is_public(ip: Address) -> bool:
    """Whether an address is global unicast, and not another one in disguise."""
    if any(ip.version == net.version and ip in net for net in _TUNNELS):
        return False
    if isinstance(ip, ipaddress.IPv6Address) and (ip.scope_id or ip not in _GLOBAL_UNICAST_6):
        return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified)


class _Route(httpcore.NetworkBackend):
    """Connects to the checked addresses, whatever name it is asked for, until time is up."""

    def __init__(self, addresses: list[str], connect_seconds: float, total_seconds: float) -> None:
        self.addresses = addresses
        self.connect_seconds = connect_seconds
        self.deadline = time.monotonic() + total_seconds
        self.address = ""
        self.tls_sha256 = ""
        self.sent = False
        self._system = httpcore.SyncBackend()

    def left(self) -> float:
        """Seconds until the deadline; there is no time after it."""
        seconds = self.deadline - time.monotonic()
        if seconds <= 0:
            raise TimeoutError("the deadline has passed")
        return seconds

    @override
    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        failures: list[Exception] = []
        for address in self.addresses:
            try:
                stream = self._system.connect_tcp(
                    address, port, timeout=min(self.connect_seconds, self.left())
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failures.append(error)
            else:
                self.address = address
                return _TimedStream(stream, self)
        raise failures[-1]


class _TimedStream(httpcore.NetworkStream):
    """A stream whose every wait ends with the route's deadline."""

    def __init__(self, stream: httpcore.NetworkStream, route: _Route) -> None:
        self._stream, self._route = stream, route

    @override
    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._route.left())

    @override
    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._route.sent = True
        # In pieces, because the wait below a write starts anew with each that is taken.
        for start in range(0, len(buffer), 1 << 16):
            self._stream.write(buffer[start : start + (1 << 16)], self._route.left())

    @override
    def close(self) -> None:
        self._stream.close()

    @override
    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        inner = self._stream.start_tls(ssl_context, server_hostname, self._route.left())
        shown = inner.get_extra_info("ssl_object").getpeercert(True)
        self._route.tls_sha256 = hashlib.sha256(shown or b"").hexdigest()
        return _TimedStream(inner, self._route)

    @override
    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _target(parts: Any) -> str:
    path = parts.path or "/"
    return f"{path}?{parts.query}" if parts.query else path


def _check_allowed(found: Destination, policy: Policy) -> None:
    if found.scheme == "http" and not policy.loopback:
        raise EgressRefused(f"{found.host}: expected https; plain http was never allowed here")
    name = f"[{found.host}]" if ":" in found.host else found.host
    allowed = {f"{name}:{found.port}"}
    if found.port == _PORTS.get(found.scheme):
        allowed.add(name)
    if not allowed & policy.hosts:
        raise EgressRefused(
            f"{name}:{found.port} is not among the hosts this installation may call; "
            "an administrator can allow it"
        )


def _headers(
    destination: Destination, body: bytes, extra: Mapping[str, str] | None
) -> list[tuple[str, str]]:
    name = f"[{destination.host}]" if ":" in destination.host else destination.host
    own_port = destination.port == _PORTS[destination.scheme]
    ours = {
        "Host": name if own_port else f"{name}:{destination.port}",
        "User-Agent": "Strata",
        "Accept-Encoding": "identity",
        "Connection": "close",
    }
    if body:
        ours["Content-Length"] = str(len(body))
    return [*ours.items(), *(extra or {}).items()]


def _retry_after(value: str) -> float | None:
    if value.isascii() and value.isdigit() and len(value) < 10:  # noqa: PLR2004  31 years suffice.
        return float(value)
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, TypeError):
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (at - clock.now()).total_seconds())
