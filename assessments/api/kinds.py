"""Kinds of arguments that several calls take."""

from typing import Annotated

from ninja import Field

from assessments.services import waiting

Seconds = Annotated[float, Field(ge=0, le=waiting.LONGEST)]
"""How long a call may wait for a worker."""
