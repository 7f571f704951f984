"""Every table of the second floor."""

from incidents.models.alert import Alert
from incidents.models.event import Event, StitchState
from incidents.models.hold import Hold
from incidents.models.inbox import InboxRow, Intake
from incidents.models.incident import Classification, Incident, Note, PriorNotice
from incidents.models.page import Page
from incidents.models.review import Lesson, Review
from incidents.models.rollback import Rollback
from incidents.models.rota import EscalationStep, Shift
from incidents.models.rule import DetectionRule

__all__ = [
    "Alert",
    "Classification",
    "DetectionRule",
    "EscalationStep",
    "Event",
    "Hold",
    "InboxRow",
    "Incident",
    "Intake",
    "Lesson",
    "Note",
    "Page",
    "PriorNotice",
    "Review",
    "Rollback",
    "Shift",
    "StitchState",
]
