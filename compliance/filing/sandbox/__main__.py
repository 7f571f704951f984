"""Serve until told to stop; see the package for what is served."""

import argparse
import ssl
from pathlib import Path

from compliance import loopback
from compliance.filing.receipt import parse_public_key
from compliance.filing.sandbox.faults import Kind, Plan
from compliance.filing.sandbox.regulator import Sandbox


def parser() -> argparse.ArgumentParser:
    """What the program understands."""
    found = argparse.ArgumentParser(
        prog="python -m compliance.filing.sandbox",
        description="A regulator to practise with; it takes simulations alone.",
        epilog=f"A FAULT is one of {', '.join(Kind)}, with seconds as in slow=2; lists have commas.",
    )
    add = found.add_argument
    add("--port", type=int, required=True, help="on 127.0.0.1; 0 takes a free one")
    add("--state", type=Path, required=True, help="where filings and key are kept")
    add("--fail-first", type=int, default=0, metavar="N", help="answer 503 to the first N filings")
    add("--plan", default="", metavar="FAULTS", help="the next requests meet these, one each")
    add("--each", default="", metavar="FAULTS", help="every key meets all of these, in order")
    add("--rotate", default="", metavar="FAULTS", help="every key meets one of these, by turn")
    add("--callback", default="", metavar="URL", help="on this machine; takes later receipts")
    add("--client-key", default="", metavar="BASE64", help="only what this key signed is taken")
    add("--tls-certificate", type=Path, help="serve TLS with this certificate (PEM)")
    add("--tls-key", type=Path, help="its private key (PEM)")
    add("--client-authorities", type=Path, help="ask callers for a certificate by these (PEM)")
    return found


def tls(chosen: argparse.Namespace) -> ssl.SSLContext | None:
    """The server's side of TLS, mutual where authorities for callers are given."""
    if chosen.tls_certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chosen.tls_certificate, chosen.tls_key)
    if chosen.client_authorities is not None:
        context.load_verify_locations(chosen.client_authorities)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def main(arguments: list[str] | None = None) -> None:
    """Serve until told to stop."""
    chosen = parser().parse_args(arguments)
    lists = [_faults(text) for text in (chosen.plan, chosen.each, chosen.rotate)]
    sandbox = Sandbox.at(
        chosen.state,
        fail_first=chosen.fail_first,
        plan=Plan.of(*lists),
        callback=chosen.callback,
        client=parse_public_key(chosen.client_key) if chosen.client_key else None,
    )
    loopback.run("regulator sandbox", chosen.port, sandbox.answer, tls=tls(chosen))


def _faults(text: str) -> list[str]:
    return [each for each in text.split(",") if each.strip()]


if __name__ == "__main__":
    main()
