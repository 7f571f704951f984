"""Every table of the ground floor."""

from compliance.models.account import ApiToken, IdempotencyKey, RoleHeld, User
from compliance.models.approval import Approval, ApprovalRequest
from compliance.models.authority_request import AuthorityQuestion, AuthorityRequest
from compliance.models.base import LeasedWork, Leg, Public
from compliance.models.blob import Blob
from compliance.models.clock_instance import ClockInstance
from compliance.models.deployment import Deployment, ServingRecord
from compliance.models.document import AuditExport, Document
from compliance.models.duty import DutyOccurrence, StandingDuty
from compliance.models.evidence import Evidence
from compliance.models.feed import FeedToken
from compliance.models.filing import Filing, FilingAttempt, WayBreaker
from compliance.models.manifest import BehaviourManifest
from compliance.models.model_version import AIModel, ModelFile, ModelVersion
from compliance.models.notice import Notice
from compliance.models.release import ReleaseAuthorisation
from compliance.models.report import Report, Revision
from compliance.models.schedule import Schedule, WorkerBeat
from compliance.models.statement import Statement
from compliance.models.subject import Grant, Subject
from compliance.models.system import AISystem, LegalEntity
from compliance.models.time_stamp import TimeStamp

__all__ = [
    "AIModel",
    "AISystem",
    "ApiToken",
    "Approval",
    "ApprovalRequest",
    "AuditExport",
    "AuthorityQuestion",
    "AuthorityRequest",
    "BehaviourManifest",
    "Blob",
    "ClockInstance",
    "Deployment",
    "Document",
    "DutyOccurrence",
    "Evidence",
    "FeedToken",
    "Filing",
    "FilingAttempt",
    "Grant",
    "IdempotencyKey",
    "LeasedWork",
    "Leg",
    "LegalEntity",
    "ModelFile",
    "ModelVersion",
    "Notice",
    "Public",
    "ReleaseAuthorisation",
    "Report",
    "Revision",
    "RoleHeld",
    "Schedule",
    "ServingRecord",
    "StandingDuty",
    "Statement",
    "Subject",
    "TimeStamp",
    "User",
    "WayBreaker",
    "WorkerBeat",
]
