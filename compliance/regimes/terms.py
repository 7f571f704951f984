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


CHANNEL_TYPES: dict[ChannelType, Phrase] = {
    ChannelType.PORTAL: Phrase("portal"),
    ChannelType.EMAIL: Phrase("e-mail"),
    ChannelType.SECURE_EXCHANGE: Phrase("secure exchange"),
    ChannelType.FORM_UPLOAD: Phrase("upload of a form"),
    ChannelType.PHONE: Phrase("telephone"),
    ChannelType.UNKNOWN: Phrase("not known"),
}
"""The doors in words."""


class ReceiptType(StrEnum):
    """What comes back."""

    SIGNED = "signed"
    PLAIN = "plain"
    NONE = "none"
    UNKNOWN = "unknown"


RECEIPT_TYPES: dict[ReceiptType, Phrase] = {
    ReceiptType.SIGNED: Phrase("a signed receipt"),
    ReceiptType.PLAIN: Phrase("a receipt"),
    ReceiptType.NONE: Phrase("no receipt"),
    ReceiptType.UNKNOWN: Phrase("not known"),
}
"""The receipts in words."""


class FieldType(StrEnum):
    """What kind of answer a field of a report takes."""

    TEXT = "text"
    INSTANT = "instant"
    """Date and time, kept in UTC."""
    DAY = "day"
    """A date; where the records hold the instant, that stands."""
    NUMBER = "number"
    CHOICE = "choice"
    """One of the pack's `choice` entries."""
    YES_NO = "yes_no"
    HARM = "harm"
    """Some of the regime's limbs."""
    PARTY = "party"
    """A person or an organisation, and how to reach it."""
    KIND = "kind"
    """The kind of the report itself: it follows from what was declared."""


FIELD_TYPES: dict[FieldType, Phrase] = {
    FieldType.TEXT: Phrase("text"),
    FieldType.INSTANT: Phrase("date and time"),
    FieldType.DAY: Phrase("date"),
    FieldType.NUMBER: Phrase("number"),
    FieldType.CHOICE: Phrase("one of a closed list"),
    FieldType.YES_NO: Phrase("yes or no"),
    FieldType.HARM: Phrase("kinds of harm of this regime"),
    FieldType.PARTY: Phrase("who, and how to reach them"),
    FieldType.KIND: Phrase("the kind of report, as declared"),
}
"""The types in words."""


class Audience(StrEnum):
    """Whom the answer to a field may go to."""

    AUTHORITY = "authority"
    OPERATORS = "operators"
    """The authority, and operators along the supply chain."""
    ON_REQUEST = "on_request"
    """Kept ready and left out of what is filed."""
    PUBLIC = "public"
    INTERNAL = "internal"
    UNKNOWN = "unknown"


AUDIENCES: dict[Audience, Phrase] = {
    Audience.AUTHORITY: Phrase("the authority"),
    Audience.OPERATORS: Phrase("the authority, and provider, importer or distributor"),
    Audience.ON_REQUEST: Phrase("kept here, handed over on request"),
    Audience.PUBLIC: Phrase("anybody"),
    Audience.INTERNAL: Phrase("the organisation alone"),
    Audience.UNKNOWN: Phrase("not known"),
}
"""The audiences in words."""

KEPT_BACK = frozenset({Audience.ON_REQUEST})
"""What such a field says is on record, and stands in no paper that is filed."""


class Sensitivity(StrEnum):
    """Why an answer wants care; a judgement of the house, as no text says it."""

    NONE = "none"
    PERSONAL_DATA = "personal_data"
    SECURITY = "security"
    TRADE_SECRET = "trade_secret"  # noqa: S105 - a word of law
    UNKNOWN = "unknown"
    """Depends on what is written."""


SENSITIVITIES: dict[Sensitivity, Phrase] = {
    Sensitivity.NONE: Phrase("none"),
    Sensitivity.PERSONAL_DATA: Phrase("personal data"),
    Sensitivity.SECURITY: Phrase("security-sensitive"),
    Sensitivity.TRADE_SECRET: Phrase("trade secret"),
    Sensitivity.UNKNOWN: Phrase("depends on what is written"),
}
"""The sensitivities in words."""

MARKED = (Sensitivity.PERSONAL_DATA, Sensitivity.SECURITY, Sensitivity.TRADE_SECRET)
"""Those that a paper names beside the answer."""


class UnknownPolicy(StrEnum):
    """What may stand in place of an answer, always with the reason."""

    EXPLICIT_UNKNOWN = "explicit_unknown"
    """Not known, with a plan to find out; or not applicable."""
    NOT_APPLICABLE = "not_applicable"
    """Whoever reports can know it; it may only not apply."""
    NONE = "none"
    """It must be answered."""


UNKNOWN_POLICIES: dict[UnknownPolicy, Phrase] = {
    UnknownPolicy.EXPLICIT_UNKNOWN: Phrase("not known or not applicable, and why"),
    UnknownPolicy.NOT_APPLICABLE: Phrase("not applicable, and why"),
    UnknownPolicy.NONE: Phrase("nothing: it must be answered"),
}
"""What may stand in place of an answer, in words."""


class Causation(StrEnum):
    """How close the system must be to the harm for a limb to hold."""

    DIRECT = "direct"
    INDIRECT = "indirect"
    SUSPECTED = "suspected"
    REASONABLE_LIKELIHOOD = "reasonable_likelihood"
    UNKNOWN = "unknown"


CAUSATIONS: dict[Causation, Phrase] = {
    Causation.DIRECT: Phrase("directly"),
    Causation.INDIRECT: Phrase("indirectly"),
    Causation.SUSPECTED: Phrase("on suspicion"),
    Causation.REASONABLE_LIKELIHOOD: Phrase("with reasonable likelihood"),
    Causation.UNKNOWN: Phrase("not known how closely"),
}
"""The degrees in words."""


class ReportKind(StrEnum):
    """What a report is to its recipient, whatever the stage is called."""

    INITIAL = "initial"
    INTERMEDIATE = "intermediate"
    FOLLOW_UP = "follow_up"
    COMBINED = "combined"
    FINAL = "final"
    FINAL_NON_REPORTABLE = "final_non_reportable"
    WITHDRAWAL = "withdrawal"


class Knows(StrEnum):
    """Whether the recipient's form or the law knows a kind of report."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


KNOWS: dict[Knows, Phrase] = {
    Knows.YES: Phrase("known"),
    Knows.NO: Phrase("it knows none"),
    Knows.UNKNOWN: Phrase("nobody found out"),
}
"""The answers in words."""


class RelationKind(StrEnum):
    """How a regime stands to another, or to further incidents."""

    PARALLEL_TO = "parallel_to"
    NARROWED_BY = "narrowed_by"
    DEEMED_SATISFIED_BY = "deemed_satisfied_by"
    TAKES_OVER_FROM = "takes_over_from"
    ASKED_UNDER = "asked_under"
    MERGE_RULE = "merge_rule"


RELATIONS: dict[RelationKind, Phrase] = {
    RelationKind.PARALLEL_TO: Phrase("Runs beside"),
    RelationKind.NARROWED_BY: Phrase("Is narrowed by"),
    RelationKind.DEEMED_SATISFIED_BY: Phrase("Is satisfied by"),
    RelationKind.TAKES_OVER_FROM: Phrase("Passes over to"),
    RelationKind.ASKED_UNDER: Phrase("Questions of its authority are timed by"),
    RelationKind.MERGE_RULE: Phrase("Takes several incidents together"),
}
"""The relations in words."""
