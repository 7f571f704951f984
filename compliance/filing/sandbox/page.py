"""What the sandbox received, as a page for people."""

import html
from collections.abc import Iterable
from typing import Final

from compliance.filing.sandbox.store import Filed
from compliance.hostile import one_line

_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Regulator sandbox: SIMULATION</title></head>
<body><h1>Regulator sandbox: SIMULATION</h1>
<p>Nothing here reaches an authority. Receipts are signed with the key {key}.</p>
<table><caption>Filings received</caption>
<thead><tr><th scope="col">Reference</th><th scope="col">Received (UTC)</th>
<th scope="col">For</th><th scope="col">Filing</th><th scope="col">Files</th></tr></thead>
<tbody>{rows}</tbody></table></body></html>
"""


def index(filings: Iterable[Filed], key: str) -> bytes:
    """The page; nothing of what was sent runs in it."""
    rows = "".join(map(_row, filings))
    nothing = '<tr><td colspan="5">Nothing was received yet.</td></tr>'
    return _PAGE.format(rows=rows or nothing, key=key).encode()


def _row(filed: Filed) -> str:
    about = {name: html.escape(one_line(str(value), 120)) for name, value in filed.about.items()}
    here = f"/filings/{filed.reference}"
    return (
        f'<tr><th scope="row"><a href="{here}">{filed.reference}</a></th>'
        f"<td>{about['received_at']}</td><td>{about['recipient']}</td><td>{about['filing']}</td>"
        f'<td><a href="{here}/document.pdf">PDF</a> <a href="{here}/data.json">JSON</a></td></tr>'
    )
