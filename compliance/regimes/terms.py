"""The words of law that packs choose between, each with what it means."""

from enum import StrEnum

from compliance.phrase import Phrase


class PackKind(StrEnum):
    """What sets a pack's clocks going."""

    INCIDENT = "incident"
    """An incident: judged by the engine, shown to whoever classifies one."""
    STANDING = "standing"
    """The calendar: duties that fall due whether or not anything happened."""


class LateRule(StrEnum):
    """What a late report owes beyond itself."""

    NONE = "none"
    REASONS_REQUIRED = "reasons_required"
    NOTIFY_BEFORE_EXPIRY = "notify_before_expiry"


LATE_RULES: dict[LateRule, Phrase] = {
    LateRule.NONE: Phrase("The text asks for nothing more from a late report."),
    LateRule.REASONS_REQUIRED: Phrase("A late report gives the reasons for its lateness."),
    LateRule.NOTIFY_BEFORE_EXPIRY: Phrase(
        "Whoever will be late tells the authority so, with reasons, before the time has run out."
    ),
}
"""The late rules in words."""


class Several(StrEnum):
    """Which submission counts where a stage was submitted more than once."""

    FIRST = "first"
    """A correction sent later moves nothing."""
    LATEST = "latest"
    """Each further submission starts the period anew."""


class Direction(StrEnum):
    """On which side of its anchor a standing duty lies."""

    AFTER = "after"
    BEFORE = "before"


class Sense(StrEnum):
    """What the date of a standing duty means."""

    BY = "by"
    """At the latest then."""
    NOT_BEFORE = "not_before"
    """Somebody else must be left this much time."""


class Round(StrEnum):
    """Where the next round of a recurring duty is counted from."""

    LAST_DONE = "last_done"
    SCHEDULE = "schedule"
    """From the date before, whenever it was done: a quarter stays a quarter."""


class AuthorityRole(StrEnum):
    """A kind of authority that each Member State designates for itself."""

    MARKET_SURVEILLANCE = "market_surveillance"
    DATA_PROTECTION = "data_protection"
    CSIRT = "csirt"
    FINANCIAL = "financial"
    MEDICAL_DEVICES = "medical_devices"


AUTHORITY_ROLES: dict[AuthorityRole, Phrase] = {
    AuthorityRole.MARKET_SURVEILLANCE: Phrase("Market surveillance authority"),
    AuthorityRole.DATA_PROTECTION: Phrase("Data protection authority"),
    AuthorityRole.CSIRT: Phrase("CSIRT or competent authority for network security"),
    AuthorityRole.FINANCIAL: Phrase("Competent financial authority"),
    AuthorityRole.MEDICAL_DEVICES: Phrase("Competent authority for medical devices"),
}
"""The roles in words."""


class ChannelType(StrEnum):
    """By which kind of door an authority takes a report."""

    PORTAL = "portal"
    EMAIL = "email"
    SECURE_EXCHANGE = "secure_exchange"
    FORM_UPLOAD = "form_upload"
    PHONE = "phone"
    UNKNOWN = "unknown"


class ReceiptType(StrEnum):
    """What comes back."""

    SIGNED = "signed"
    PLAIN = "plain"
    NONE = "none"
    UNKNOWN = "unknown"
