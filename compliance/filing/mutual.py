"""TLS in which both sides show who they are, and whose word is taken for the other."""

import ssl
import stat
from pathlib import Path


def mutual(certificate: Path, key: Path, accepted: Path | None = None) -> ssl.SSLContext:
    """TLS in which we show a certificate of our own; all files are PEM.

    `accepted`, where given, holds the only authorities that may have signed the other side's.

    Raises:
        OSError: a file is absent, or others than its owner may read the key.
        ssl.SSLError: a file holds something else, or the key is another certificate's.
    """
    if stat.S_IMODE(key.stat().st_mode) & 0o077:
        raise PermissionError(f"{key} can be read by others than its owner; run chmod 600 on it")
    context = authorities(accepted)
    # An empty word, where the file is sealed by one: a worker cannot be asked.
    context.load_cert_chain(certificate, key, password=lambda: "")
    return context


def authorities(accepted: Path | None) -> ssl.SSLContext:
    """TLS that takes the word of these authorities alone, or of those the system trusts."""
    return ssl.create_default_context(cafile=str(accepted) if accepted else None)
