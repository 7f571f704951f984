"""What looks like a credential in text: to be noticed by a rule, and masked before it is shown.

The patterns are those with a fixed, published shape. A secret without a shape of its own is found
only beside a telling name (`password=`, `"api_key":`); a bare random string is not guessed at.
"""

import re2

SHAPES = {
    "private-key": r"-----BEGIN (?:[A-Z]{2,9} ){0,3}PRIVATE KEY-----",
    "aws-access-key": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "github-token": r"\b(?:gh[pousr]_[0-9A-Za-z]{36,255}|github_pat_[0-9A-Za-z_]{50,255})\b",
    "gitlab-token": r"\bglpat-[0-9A-Za-z_-]{20,64}\b",
    "slack-token": r"\bxox[abeprs]-[0-9A-Za-z-]{10,250}\b",
    "google-api-key": r"\bAIza[0-9A-Za-z_-]{35}\b",
    "stripe-key": r"\b[rs]k_(?:live|test)_[0-9A-Za-z]{16,250}\b",
    "hugging-face-token": r"\bhf_[0-9A-Za-z]{30,64}\b",
    "model-api-key": r"\bsk-(?:[a-z]{2,10}[0-9]{0,2}-)*[0-9A-Za-z_-]{20,250}\b",
    "json-web-token": r"\beyJ[0-9A-Za-z_-]{8,}\.eyJ[0-9A-Za-z_-]{8,}\.[0-9A-Za-z_-]{8,}",
    "bearer-header": r"(?i)\bbearer\s+[0-9a-z._~+/-]{16,}=*",
    "url-password": r"\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@]{1,128}:[^\s/@]{3,128}@",
    "named-secret": (
        r"(?i)\b[a-z_-]{0,32}(?:passwd|password|secret|api[_-]?key|access[_-]?token|private[_-]?key)"
        r"""["']?\s{0,4}[:=]\s{0,4}["']?[^\s"',;{}<>\[\]]{6,}"""
    ),
}
PATTERNS = {kind: re2.compile(shape) for kind, shape in SHAPES.items()}
MAIL = re2.compile(r"\b[0-9A-Za-z._%+-]{1,64}@[0-9A-Za-z.-]{1,190}\.[A-Za-z]{2,24}\b")


def kinds(text: str) -> tuple[str, ...]:
    """The kinds of credential the text seems to hold, in alphabetical order."""
    return tuple(sorted(kind for kind, pattern in PATTERNS.items() if pattern.search(text)))


def masked(text: str) -> str:
    """The text with each credential and mail address replaced by what it was."""
    for kind, pattern in PATTERNS.items():
        text = pattern.sub(f"[{kind}]", text)
    return str(MAIL.sub("[mail-address]", text))
