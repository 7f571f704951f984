"""What a person needs who files by hand: what to do, what to copy, what to bring back."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class CopyField:
    """One text to copy from the package into the portal."""

    label: str
    value: str = field(repr=False)
    """Empty where the package does not say it."""
    why_empty: str = ""
    """What the package says instead of a value: unknown and why, or not applicable."""


@dataclass(frozen=True)
class Checklist:
    """One portal's way, filled from one package."""

    portal: str
    """Its key."""
    title: str
    where: str
    """An address, or that it is not known."""
    evidence: str
    """The grade of what is said here: P primary text, S second-hand, H our own rule."""
    before: tuple[str, ...]
    """What must have been done long before, such as registering."""
    steps: tuple[str, ...]
    fields: tuple[CopyField, ...]
    receipt: tuple[str, ...]
    """What to bring back as proof."""
    unknown: tuple[str, ...]
    """What nobody here knows; a person finds it out."""
