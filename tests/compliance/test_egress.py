import datetime as dt
import hashlib
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import NameOID

from compliance import clock, loopback
from compliance.egress import (
    Answer,
    Destination,
    Egress,
    EgressFailed,
    EgressRefused,
    Policy,
    check_address,
    is_public,
    parse,
)
from compliance.loopback import Reply, Request

NAME = "regulator.example"
PUBLIC = Policy(frozenset({NAME, "regulator.example:8443"}))


def local(base: str, **policy: float) -> Egress:
    return Egress(Policy(frozenset({base.removeprefix("http://")}), loopback=True, **policy))


def echo(request: Request) -> Reply:
    return Reply(
        200,
        request.body or request.path.encode(),
        headers={f"X-Seen-{name}": value for name, value in request.headers.items()},
    )


@contextmanager
def raw_server(behave: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that speaks as badly as it is told to."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(5)

        def accept() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.settimeout(5)
                behave(connection)

        thread = threading.Thread(target=accept)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        thread.join()


def test_an_allowed_host_answers():
    with loopback.serving(echo) as base:
        answer = local(base).get(f"{base}/a/b?c=d")
    assert (answer.status, answer.body, answer.is_success) == (200, b"/a/b", True)
    assert (answer.address, answer.tls_sha256) == ("127.0.0.1", "")
    assert answer.headers["x-seen-host"] == base.removeprefix("http://")
    assert answer.headers["x-seen-accept-encoding"] == "identity"


def test_a_body_and_headers_arrive():
    with loopback.serving(echo) as base:
        answer = local(base).post(base, b"\x00" * 300_000, {"Idempotency-Key": "k1"})
    assert answer.body == b"\x00" * 300_000
    assert answer.headers["x-seen-idempotency-key"] == "k1"


def test_a_redirect_is_answered_and_not_followed():
    asked: list[str] = []

    def redirect(request: Request) -> Reply:
        asked.append(request.path)
        return Reply(302, b"", headers={"Location": "/inside"})

    with loopback.serving(redirect) as base:
        answer = local(base).get(f"{base}/start")
    assert (answer.status, answer.is_success, asked) == (302, False, ["/start"])


def test_proxies_of_the_environment_are_ignored(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with loopback.serving(echo) as base:
        assert local(base).get(base).is_success


def test_cookies_are_not_kept():
    seen: list[str] = []

    def bake(request: Request) -> Reply:
        seen.append(request.headers.get("cookie", ""))
        return Reply(200, b"", headers={"Set-Cookie": "a=b"})

    with loopback.serving(bake) as base:
        egress = local(base)
        egress.get(base)
        egress.get(base)
    assert seen == ["", ""]


def unreachable(host: str, port: int) -> list[str]:
    raise AssertionError(f"{host}:{port} was looked up")


@pytest.mark.parametrize(
    "url",
    [
        "http://regulator.example/",
        "ftp://regulator.example/",
        "file:///etc/passwd",
        "gopher://regulator.example/",
        "data:text/plain,hello",
        "javascript:alert(1)",
        "//regulator.example/",
        "regulator.example",
        "",
        "https://",
        "https:///path",
        "https://other.example/",
        "https://regulator.example.evil.example/",
        "https://evil.example/regulator.example",
        "https://regulator.example./",
        "https://regulator.example:444/",
        "https://regulator.example:99999/",
        "https://regulator.example:port/",
        "https://user@regulator.example/",
        "https://user:secret@regulator.example/",
        "https://regulator.example@evil.example/",
        "https://evil.example#@regulator.example/",
        "https://regulator.example/#part",
        "https://evil.example\\@regulator.example/",
        "https://regulator.example\\.evil.example/",
        "https://regulator.example\t.evil.example/",
        "https://regulator.example/\r\nHost: evil.example",
        "https://regulator.example /",
        " https://regulator.example/",
        "https://regulator.examp\u2113e/",
        "https://\uff52egulator.example/",
        "https://regulator%2eexample/",
        "https://127.0.0.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0177.0.0.1/",
        "https://127.1/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[fe80::1%25eth0]/",
        "https://[::1/",
        "https://localhost/",
        "https://169.254.169.254/latest/meta-data/",
        "https://metadata.google.internal/",
        "https://regulator.example/" + "a" * 2_048,
    ],
)
def test_a_url_the_policy_does_not_allow_is_never_even_looked_up(url):
    with pytest.raises(EgressRefused):
        Egress(PUBLIC, resolve=unreachable).get(url)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://regulator.example", Destination("https", NAME, 443, "/")),
        ("https://REGULATOR.example/a?b=c", Destination("https", NAME, 443, "/a?b=c")),
        ("https://regulator.example:443/", Destination("https", NAME, 443, "/")),
        ("https://regulator.example:8443/x", Destination("https", NAME, 8443, "/x")),
    ],
)
def test_an_allowed_url_is_taken_apart(url, expected):
    assert parse(url, PUBLIC) == expected


INSIDE = [
    "0.0.0.0",  # noqa: S104  Not bound, refused.
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "127.0.0.1",
    "127.8.8.8",
    "169.254.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.170",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:8.8.8.8",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::808:808",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:0:7f00:1::",
    "2001:2::1",
    "2001:10::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:808:808::1",
    "3fff::1" if not ipaddress.ip_address("3fff::1").is_global else "fc00::2",
    "5f00::1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "fe80::1%1",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
]


@pytest.mark.parametrize("address", INSIDE)
def test_a_name_that_leads_inside_is_refused(address):
    egress = Egress(PUBLIC, resolve=lambda _host, _port: [address])
    with pytest.raises(EgressRefused, match="not a public one"):
        egress.get("https://regulator.example/")


@pytest.mark.parametrize("address", ["1.1.1.1", "8.8.8.8", "93.184.215.14", "2606:4700:4700::1111"])
def test_a_public_address_is_public(address):
    assert is_public(ipaddress.ip_address(address))
    check_address(address, parse("https://regulator.example", PUBLIC), PUBLIC)


@pytest.mark.parametrize("order", [("93.184.215.14", "10.0.0.1"), ("10.0.0.1", "93.184.215.14")])
def test_one_address_inside_spoils_all(order):
    with pytest.raises(EgressRefused, match=r"10\.0\.0\.1"):
        Egress(PUBLIC, resolve=lambda _host, _port: order).get("https://regulator.example/")


def test_loopback_is_open_only_where_the_policy_says_so():
    closed = Policy(frozenset({"127.0.0.1:9"}))
    with pytest.raises(EgressRefused, match="expected https"):
        Egress(closed).get("http://127.0.0.1:9/")
    with pytest.raises(EgressRefused, match="not a public one"):
        Egress(closed).get("https://127.0.0.1:9/")


def test_plain_http_stays_closed_to_the_outside_even_in_a_demo():
    demo = Policy(frozenset({NAME}), loopback=True)
    with pytest.raises(EgressRefused, match="plain http is open to loopback alone"):
        Egress(demo, resolve=lambda _host, _port: ["93.184.215.14"]).get(
            "http://regulator.example/"
        )


def test_a_name_is_resolved_once_and_the_checked_address_is_used():
    """A rebinding name has an innocent answer first and another one after."""
    asked: list[str] = []

    def rebinding(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]

    with loopback.serving(echo) as base:
        port = base.rpartition(":")[2]
        policy = Policy(frozenset({f"{NAME}:{port}"}), loopback=True)
        answer = Egress(policy, resolve=rebinding).get(f"http://{NAME}:{port}/")
    assert (asked, answer.address) == ([NAME], "127.0.0.1")
    assert answer.headers["x-seen-host"] == f"{NAME}:{port}"


def test_a_name_without_address_failed_and_nothing_was_sent():
    def unknown(_host: str, _port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    for resolve in (unknown, lambda _host, _port: []):
        with pytest.raises(EgressFailed) as caught:
            Egress(PUBLIC, resolve=resolve).get("https://regulator.example/")
        assert not caught.value.sent


def test_a_closed_port_failed_and_nothing_was_sent():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(EgressFailed, match="ConnectError") as caught:
        local(f"http://127.0.0.1:{port}").get(f"http://127.0.0.1:{port}/")
    assert not caught.value.sent


def test_the_second_address_is_tried_when_the_first_is_dead():
    with loopback.serving(echo) as base:
        policy = Policy(frozenset({base.removeprefix("http://")}), loopback=True)
        egress = Egress(policy, resolve=lambda _host, _port: ["::1", "127.0.0.1"])
        assert egress.get(base).address == "127.0.0.1"


def test_a_connection_cut_after_the_request_may_have_arrived():
    with raw_server(lambda connection: connection.recv(1 << 16)) as base:
        with pytest.raises(EgressFailed) as caught:
            local(base).post(base, b"file this")
        assert caught.value.sent


def test_silence_ends_with_the_deadline():
    over = threading.Event()
    with raw_server(lambda _connection: over.wait(10)) as base:
        begun = time.monotonic()
        with pytest.raises(EgressFailed, match=r"within 0\.5 s") as caught:
            local(base, total_seconds=0.5).get(base)
        lasted = time.monotonic() - begun
        over.set()
    assert 0.5 <= lasted < 4
    assert caught.value.sent


@pytest.mark.parametrize("start", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_a_drip_of_bytes_ends_with_the_deadline(start):
    def drip(connection: socket.socket) -> None:
        connection.recv(1 << 16)
        connection.sendall(start)
        for _ in range(120):
            time.sleep(0.05)
            try:
                connection.sendall(b"x")
            except OSError:
                return

    with raw_server(drip) as base:
        begun = time.monotonic()
        with pytest.raises(EgressFailed, match="within"):
            local(base, total_seconds=0.5).get(base)
        assert time.monotonic() - begun < 4


def test_an_answer_may_not_be_longer_than_agreed():
    with loopback.serving(lambda _: Reply(200, b"x" * 1_001)) as base:
        with pytest.raises(EgressFailed, match="longer than 1000 bytes"):
            local(base, max_bytes=1_000).get(base)
        assert len(local(base, max_bytes=1_001).get(base).body) == 1_001


def test_a_compressed_answer_is_not_unpacked():
    reply = Reply(200, b"\x1f\x8b", headers={"Content-Encoding": "gzip"})
    with (
        loopback.serving(lambda _: reply) as base,
        pytest.raises(EgressFailed, match="without content encoding"),
    ):
        local(base).get(base)


def test_an_answer_that_is_no_http_failed():
    def babble(connection: socket.socket) -> None:
        connection.recv(1 << 16)
        connection.sendall(b"SSH-2.0-OpenSSH_9.9\r\n\r\n")

    with raw_server(babble) as base, pytest.raises(EgressFailed, match="ProtocolError"):
        local(base).get(base)


def test_a_header_cannot_smuggle_another():
    with loopback.serving(echo) as base, pytest.raises(EgressFailed) as caught:
        local(base).get(base, {"Idempotency-Key": "a\r\nX-Admin: yes"})
    assert not caught.value.sent


def certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext, str]:
    """A TLS server's context, a client's that trusts it, and the certificate's digest."""
    key = Ed25519PrivateKey.generate()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, None)
    )
    pem = folder / "certificate.pem"
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem)
    return (
        server,
        ssl.create_default_context(cafile=str(pem)),
        made.fingerprint(hashes.SHA256()).hex(),
    )


@contextmanager
def tls_server(context: ssl.SSLContext) -> Iterator[tuple[int, list[str | None]]]:
    """Serves one HTTPS request; yields its port and the names it was asked for."""
    names: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: names.append(name)

    def behave(connection: socket.socket) -> None:
        try:
            with context.wrap_socket(connection, server_side=True) as secured:
                secured.recv(1 << 16)
                secured.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                # Wait for the other side to hang up, lest the last bytes are lost.
                secured.recv(1)
        except OSError:
            return

    with raw_server(behave) as base:
        yield int(base.rpartition(":")[2]), names


def test_tls_asks_for_the_name_while_the_connection_goes_to_the_address(tmp_path: Path):
    server, client, fingerprint = certificate(tmp_path, NAME)
    with tls_server(server) as (port, names):
        policy = Policy(frozenset({f"{NAME}:{port}"}), loopback=True)
        egress = Egress(policy, resolve=lambda _host, _port: ["127.0.0.1"], tls=client)
        answer = egress.get(f"https://{NAME}:{port}/")
    assert (answer.body, names, answer.tls_sha256) == (b"ok", [NAME], fingerprint)


def test_a_certificate_for_another_name_ends_it_before_anything_is_sent(tmp_path: Path):
    server, client, _ = certificate(tmp_path, "evil.example")
    with tls_server(server) as (port, _):
        policy = Policy(frozenset({f"{NAME}:{port}"}), loopback=True)
        egress = Egress(policy, resolve=lambda _host, _port: ["127.0.0.1"], tls=client)
        with pytest.raises(EgressFailed, match="ertificate") as caught:
            egress.get(f"https://{NAME}:{port}/")
    assert not caught.value.sent


def answer(status: int = 503, **headers: str) -> Answer:
    return Answer(status, headers, b"", "127.0.0.1", hashlib.sha256().hexdigest())


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("2", 2.0),
        ("0", 0.0),
        ("Sun, 02 Aug 2026 12:01:00 GMT", 60.0),
        ("Sun, 02 Aug 2026 11:00:00 GMT", 0.0),
        ("Sun, 02 Aug 2026 12:01:00 -0000", 60.0),
        ("-1", None),
        ("1e9", None),
        ("9" * 40, None),
        ("²", None),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after_is_read_when_it_makes_sense(value, seconds):
    with clock.held(dt.datetime(2026, 8, 2, 12, tzinfo=dt.UTC)):
        assert answer(**{"retry-after": value}).retry_after_seconds == seconds


@pytest.mark.parametrize(
    ("status", "not_now", "broken"),
    [
        (200, False, False),
        (404, False, False),
        (429, True, False),
        (503, True, False),
        (500, False, True),
    ],
)
def test_a_status_says_whether_to_come_again(status, not_now, broken):
    assert (answer(status).is_not_now, answer(status).is_broken) == (not_now, broken)


@contextmanager
def greeter() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.mark.parametrize("scheme", ["sftp", "smtps", "smtp+starttls", "smtp"])
def test_another_protocol_gets_its_connection_by_the_same_policy(scheme):
    with greeter() as port:
        policy = Policy(frozenset({f"127.0.0.1:{port}"}), loopback=True, total_seconds=7)
        with Egress(policy).connect(scheme, "127.0.0.1", port) as line:
            assert line.getpeername() == ("127.0.0.1", port)
            assert line.gettimeout() == 7


def outside(host: str, port: int) -> list[str]:
    del host, port
    return ["93.184.215.14"]


@pytest.mark.parametrize(
    ("scheme", "host", "port", "hosts", "message"),
    [
        ("sftp", NAME, 22, {NAME}, "not among the hosts"),
        ("sftp", NAME, 22, {f"{NAME}:2222"}, "not among the hosts"),
        ("smtp", NAME, 25, {f"{NAME}:25"}, "plain smtp is open to loopback alone"),
        ("sftp", "a b", 22, {"a b:22"}, "a host's name and a port"),
        ("sftp", NAME, 0, {f"{NAME}:0"}, "a host's name and a port"),
        ("sftp", NAME, 70_000, {f"{NAME}:70000"}, "a host's name and a port"),
    ],
)
def test_what_the_policy_does_not_allow_gets_none(scheme, host, port, hosts, message):
    egress = Egress(Policy(frozenset(hosts), loopback=True), resolve=outside)
    with pytest.raises(EgressRefused, match=message):
        egress.connect(scheme, host, port)


def test_a_name_that_leads_inside_gets_no_connection_either():
    egress = Egress(Policy(frozenset({f"{NAME}:22"})), resolve=lambda _host, _port: ["10.0.0.7"])
    with pytest.raises(EgressRefused, match="not a public one"):
        egress.connect("sftp", NAME, 22)


def test_nobody_there_means_that_nothing_was_sent():
    with greeter() as port:
        pass
    egress = Egress(Policy(frozenset({f"127.0.0.1:{port}"}), loopback=True))
    with pytest.raises(EgressFailed) as caught:
        egress.connect("sftp", "127.0.0.1", port)
    assert not caught.value.sent
