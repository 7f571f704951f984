"""Text written by strangers: models, prompts, events, recipients.

It is never trusted to be short, printable, or in the order it seems. Escaping for HTML stays with
the templates; this module makes text safe to look at and to open in a spreadsheet.
"""

import re
import unicodedata
from decimal import Decimal
from typing import Final

DEFAULT_LIMIT: Final = 4_000
ELLIPSIS: Final = "…"

# C0 and C1 without tab and newline, and the lone surrogates that no encoding can carry.
_UNPRINTABLE: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_LINE_END: Final = re.compile("\r\n|[\r\x85\u2028\u2029]")
# What turns text round, hides it, or smuggles it: bidirectional controls, zero-width characters
# (joiners excepted, scripts need them), interlinear marks, tag characters, further selectors.
_DECEITFUL: Final = re.compile(
    "[\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f\U000e0100-\U000e01ef]"
)
_BREAKS: Final = re.compile(r"\s+")
# A spreadsheet normalises full-width signs, then takes the cell for a formula.
_FORMULA_STARTS: Final = "=+-@\t\r\n\x00"


def clean(text: str, limit: int = DEFAULT_LIMIT) -> str:
    """Printable text of at most `limit` characters, its lines kept.

    Controls are dropped; characters that reorder or hide text are shown as `[U+202E]`, because a
    reader who is being deceived should see it.
    """
    # Cut before the work as well as after it: a marker is longer than what it marks.
    shown = _LINE_END.sub("\n", text[: limit + 1])
    shown = _DECEITFUL.sub(_mark, _UNPRINTABLE.sub("", shown))
    if len(text) <= limit and len(shown) <= limit:
        return shown
    return shown[: max(limit - 1, 0)] + ELLIPSIS[:limit]


def one_line(text: str, limit: int = 200) -> str:
    """The same on a single line: for subjects, headers, log lines and table cells."""
    roomy = clean(text, max(limit, 0) * 4)
    flat = _BREAKS.sub(" ", roomy).strip()
    return flat if len(flat) <= limit else flat[: max(limit - 1, 0)] + ELLIPSIS[:limit]


def csv_cell(value: object) -> str:
    """One cell for a CSV file that no spreadsheet will run.

    Numbers pass as they are; text that begins like a formula gets an apostrophe before it.
    Quoting is the csv module's business.
    """
    if value is None:
        return ""
    if isinstance(value, int | float | Decimal):
        return str(value)
    text = str(value)
    start = unicodedata.normalize("NFKC", text.lstrip(" ")[:1])
    return f"'{text}" if start and start in _FORMULA_STARTS else text


def _mark(found: re.Match[str]) -> str:
    return f"[U+{ord(found.group()):04X}]"
