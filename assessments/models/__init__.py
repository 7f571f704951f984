"""Every table of the first floor."""

from assessments.models.campaign import Campaign, CampaignFinding
from assessments.models.finding import ConcernSummary, Finding, SuppressionTest
from assessments.models.gate import Authorisation, GateDecision
from assessments.models.instrument import PromptSuite, Sae, WatchList
from assessments.models.scan import Scan
from assessments.models.shard import ScanShard
from assessments.models.waiver import Waiver

__all__ = [
    "Authorisation",
    "Campaign",
    "CampaignFinding",
    "ConcernSummary",
    "Finding",
    "GateDecision",
    "PromptSuite",
    "Sae",
    "Scan",
    "ScanShard",
    "SuppressionTest",
    "Waiver",
    "WatchList",
]
