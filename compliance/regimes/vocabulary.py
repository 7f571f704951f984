"""The closed vocabulary that packs and facts share: instants, limbs, stages, entities, predicates.

A name that is not here is a mistake in a pack or in the facts, and both say so at once.
"""

from enum import StrEnum
from typing import NamedTuple

from compliance.phrase import Phrase


class Instant(StrEnum):
    """A point in time that a person records about an incident."""

    OCCURRED = "occurred_at"
    DETECTED = "detected_at"
    AWARE = "aware_at"
    MODEL_INVOLVEMENT_AWARE = "model_involvement_aware_at"
    REASONABLE_BELIEF = "reasonable_belief_at"
    DETERMINED = "determined_at"
    CLASSIFIED = "classified_at"
    CAUSAL_LINK = "causal_link_at"
    DISCOVERED = "discovered_at"
    IMMINENT_RISK_DISCOVERED = "imminent_risk_discovered_at"
    MEASURE_AVAILABLE = "measure_available_at"
    RESOLVED = "resolved_at"


INSTANTS: dict[str, Phrase] = {
    Instant.OCCURRED: Phrase("the start of the incident"),
    Instant.DETECTED: Phrase("the moment of detection"),
    Instant.AWARE: Phrase("the moment of awareness"),
    Instant.MODEL_INVOLVEMENT_AWARE: Phrase("the moment of awareness that the model was involved"),
    Instant.REASONABLE_BELIEF: Phrase("the moment of reasonable belief"),
    Instant.DETERMINED: Phrase("the determination that it is reportable"),
    Instant.CLASSIFIED: Phrase("the classification"),
    Instant.CAUSAL_LINK: Phrase("the moment a causal link was established"),
    Instant.DISCOVERED: Phrase("the discovery"),
    Instant.IMMINENT_RISK_DISCOVERED: Phrase("the discovery of an imminent danger to life"),
    Instant.MEASURE_AVAILABLE: Phrase("the moment a measure became available"),
    Instant.RESOLVED: Phrase("the resolution of the incident"),
}
"""The instants in words, where people read of them."""


class Limb(StrEnum):
    """A kind of harm by which a regime tells how grave an incident is."""

    DEATH = "death"
    HEALTH = "health"
    RIGHTS = "rights"
    PROPERTY_ENVIRONMENT = "property_environment"
    CRITICAL_INFRASTRUCTURE = "critical_infrastructure"
    WIDESPREAD_INFRINGEMENT = "widespread_infringement"
    CYBER_BREACH = "cyber_breach"
    SERIOUS_PUBLIC_HEALTH_THREAT = "serious_public_health_threat"
    UNANTICIPATED_DETERIORATION = "unanticipated_deterioration"


LIMBS: dict[Limb, Phrase] = {
    Limb.DEATH: Phrase("death"),
    Limb.HEALTH: Phrase("health"),
    Limb.RIGHTS: Phrase("rights"),
    Limb.PROPERTY_ENVIRONMENT: Phrase("property or environment"),
    Limb.CRITICAL_INFRASTRUCTURE: Phrase("critical infrastructure"),
    Limb.WIDESPREAD_INFRINGEMENT: Phrase("widespread infringement"),
    Limb.CYBER_BREACH: Phrase("cyber breach"),
    Limb.SERIOUS_PUBLIC_HEALTH_THREAT: Phrase("serious public health threat"),
    Limb.UNANTICIPATED_DETERIORATION: Phrase("unanticipated deterioration"),
}
"""The limbs in words, as the traces name them."""


class StageId(StrEnum):
    """The name of a report that a regime asks for."""

    NOTICE = "notice"
    IMMINENT = "imminent"
    EARLY_WARNING = "early_warning"
    REPORT = "report"
    NOTIFICATION = "notification"
    INITIAL = "initial"
    INTERMEDIATE = "intermediate"
    COMPLETE = "complete"
    FINAL = "final"


STAGES: dict[str, Phrase] = {
    StageId.NOTICE: Phrase("the notice"),
    StageId.IMMINENT: Phrase("the report of an imminent danger"),
    StageId.EARLY_WARNING: Phrase("the early warning"),
    StageId.REPORT: Phrase("the report"),
    StageId.NOTIFICATION: Phrase("the notification"),
    StageId.INITIAL: Phrase("the initial report"),
    StageId.INTERMEDIATE: Phrase("the intermediate report"),
    StageId.COMPLETE: Phrase("the complete report"),
    StageId.FINAL: Phrase("the final report"),
}
"""The stages in words, where another stage counts from them."""


ENTITIES: dict[str, Phrase] = {
    "provider": Phrase("provider"),
    "deployer": Phrase("deployer"),
    "gpai_provider": Phrase("GPAI provider"),
    "frontier_developer": Phrase("frontier developer"),
    "controller": Phrase("controller"),
    "processor": Phrase("processor"),
    "manufacturer": Phrase("manufacturer"),
    "financial_entity": Phrase("financial entity"),
    "credit_institution": Phrase("credit institution"),
    "central_counterparty": Phrase("central counterparty"),
    "trading_venue": Phrase("trading venue"),
    "nis2_entity": Phrase("NIS2 entity"),
    "payment_institution": Phrase("payment institution"),
    "electronic_money_institution": Phrase("electronic money institution"),
    "account_information_service_provider": Phrase("account information service provider"),
    "investment_firm": Phrase("investment firm"),
    "crypto_asset_service_provider": Phrase("crypto asset service provider"),
    "central_securities_depository": Phrase("central securities depository"),
    "trade_repository": Phrase("trade repository"),
    "fund_manager": Phrase("fund manager"),
    "management_company": Phrase("management company"),
    "data_reporting_service_provider": Phrase("data reporting service provider"),
    "insurance_undertaking": Phrase("insurance undertaking"),
    "reinsurance_undertaking": Phrase("reinsurance undertaking"),
    "insurance_intermediary": Phrase("insurance intermediary"),
    "pension_institution": Phrase("pension institution"),
    "credit_rating_agency": Phrase("credit rating agency"),
    "benchmark_administrator": Phrase("benchmark administrator"),
    "crowdfunding_service_provider": Phrase("crowdfunding service provider"),
    "securitisation_repository": Phrase("securitisation repository"),
    "non_bank": Phrase("non-bank"),
    "trust_service_provider": Phrase("trust service provider"),
    "essential_entity": Phrase("essential entity"),
    "important_entity": Phrase("important entity"),
    "other": Phrase("other"),
}
"""Kinds of organisation in words; some counting rules grant or refuse a relief by them."""


class Milestone(StrEnum):
    """A point in time that dates a standing duty, whether or not there ever is an incident."""

    SYSTEMIC_RISK_NOTIFIED = "systemic_risk_notified_at"
    PLACED_ON_MARKET = "placed_on_market_at"
    FRAMEWORK_CONFIRMED = "framework_confirmed_at"
    MODEL_REPORT_CONFIRMED = "model_report_confirmed_at"
    REFERENCE_STATUS_LOST = "reference_status_lost_at"
    PUBLICATION_SUBMITTED = "publication_submitted_at"
    DOWNSTREAM_REQUEST_RECEIVED = "downstream_request_received_at"
    EVALUATORS_GIVEN_ACCESS = "evaluators_given_access_at"
    EVALUATOR_CALL_OPENED = "evaluator_call_opened_at"
    SUMMARY_PERIOD_BEGAN = "summary_period_began_at"
    DISCLOSURE_FILED = "disclosure_filed_at"
    AUDIT_COMPLETED = "audit_completed_at"
    INCIDENT_FILE_CLOSED = "incident_file_dated_at"
    AUTHORITY_REQUEST_RECEIVED = "authority_request_received_at"
    AUTHORITY_PERIOD_ENDS = "authority_period_ends_at"
    CORRECTIVE_ORDER_RECEIVED = "corrective_order_received_at"
    HORIZON_REVIEWED = "horizon_reviewed_at"


MILESTONES: dict[Milestone, Phrase] = {
    Milestone.SYSTEMIC_RISK_NOTIFIED: Phrase("the notification of systemic risk"),
    Milestone.PLACED_ON_MARKET: Phrase("the placing of the model on the market"),
    Milestone.FRAMEWORK_CONFIRMED: Phrase("the confirmation of the framework or its update"),
    Milestone.MODEL_REPORT_CONFIRMED: Phrase("the confirmation of the updated Model Report"),
    Milestone.REFERENCE_STATUS_LOST: Phrase("the loss of the reference model's status"),
    Milestone.PUBLICATION_SUBMITTED: Phrase("the researcher's request to publish"),
    Milestone.DOWNSTREAM_REQUEST_RECEIVED: Phrase("the downstream provider's request"),
    Milestone.EVALUATORS_GIVEN_ACCESS: Phrase("the day the evaluators were given access"),
    Milestone.EVALUATOR_CALL_OPENED: Phrase("the opening of the call for external evaluators"),
    Milestone.SUMMARY_PERIOD_BEGAN: Phrase("the start of the period to be summarised"),
    Milestone.DISCLOSURE_FILED: Phrase("the last disclosure statement"),
    Milestone.AUDIT_COMPLETED: Phrase("the last independent audit"),
    Milestone.INCIDENT_FILE_CLOSED: Phrase(
        "the later of the date of the incident and that of its documentation"
    ),
    Milestone.AUTHORITY_REQUEST_RECEIVED: Phrase("the receipt of the authority's request"),
    Milestone.AUTHORITY_PERIOD_ENDS: Phrase("the end of the period that the authority set"),
    Milestone.CORRECTIVE_ORDER_RECEIVED: Phrase("the receipt of the order to correct"),
    Milestone.HORIZON_REVIEWED: Phrase("the last review of the regulatory horizon"),
}
"""The milestones in words."""


class Number(StrEnum):
    """A figure from which a predicate can follow; one that nobody stated is not known."""

    TRAINING_FLOP = "training_flop"
    ANNUAL_REVENUE_USD = "annual_revenue_usd"


NUMBERS: dict[Number, Phrase] = {
    Number.TRAINING_FLOP: Phrase("the training compute of the model, in operations"),
    Number.ANNUAL_REVENUE_USD: Phrase("the annual gross revenue with affiliates, in US dollars"),
}
"""The figures in words, with their units."""


class Predicate(NamedTuple):
    """A yes-or-no fact about the organisation, the model, the system or the incident."""

    says: Phrase
    """The sentence when it is true."""
    denies: Phrase
    """The sentence when it is false."""


PREDICATES: dict[str, Predicate] = {
    "serious_incident": Predicate(
        Phrase("The incident was classified as serious."),
        Phrase("The incident was not classified as serious."),
    ),
    "provider": Predicate(
        Phrase("The organisation is the provider of the AI system."),
        Phrase("The organisation is not the provider of the AI system."),
    ),
    "deployer": Predicate(
        Phrase("The organisation is the deployer of the AI system."),
        Phrase("The organisation is not the deployer of the AI system."),
    ),
    "eu_market": Predicate(
        Phrase("The system or model is placed on the Union market or used in the Union."),
        Phrase("The system or model is neither placed on the Union market nor used in the Union."),
    ),
    "annex_iii": Predicate(
        Phrase("The system is high-risk because its use is listed in Annex III."),
        Phrase("The use of the system is not listed in Annex III."),
    ),
    "annex_i": Predicate(
        Phrase("The system is high-risk as, or as a safety component of, a product under Annex I."),
        Phrase("The system is neither a product under Annex I nor a safety component of one."),
    ),
    "equivalent_union_reporting": Predicate(
        Phrase("Union law already lays an equivalent reporting duty on the provider."),
        Phrase("No equivalent Union reporting duty applies to the provider."),
    ),
    "mdr_ivdr_device": Predicate(
        Phrase(
            "The system is, or is a safety component of, a medical or in vitro diagnostic device."
        ),
        Phrase("The system is not a medical or in vitro diagnostic device."),
    ),
    "gpai_systemic_risk_provider": Predicate(
        Phrase("The organisation provides a general-purpose AI model with systemic risk."),
        Phrase("The organisation provides no general-purpose AI model with systemic risk."),
    ),
    "code_signatory": Predicate(
        Phrase("The organisation signed the Safety and Security chapter of the Code of Practice."),
        Phrase(
            "The organisation did not sign the Safety and Security chapter of the Code of Practice."
        ),
    ),
    "legacy_gpai_model": Predicate(
        Phrase("The model was placed on the market before 2 August 2025."),
        Phrase("The model was placed on the market on or after 2 August 2025."),
    ),
    "systemic_risk_threshold": Predicate(
        Phrase("The model meets, or is known to be about to meet, the systemic-risk condition."),
        Phrase(
            "The model does not meet the systemic-risk condition and is not known to be about to."
        ),
    ),
    "frontier_developer": Predicate(
        Phrase("The organisation trained a frontier model (more than 10^26 operations)."),
        Phrase("The organisation trained no frontier model (more than 10^26 operations)."),
    ),
    "large_frontier_developer": Predicate(
        Phrase(
            "The organisation is a large frontier developer (more than 500 million US dollars of"
            " annual revenue with its affiliates)."
        ),
        Phrase(
            "The organisation is no large frontier developer (more than 500 million US dollars of"
            " annual revenue with its affiliates)."
        ),
    ),
    "critical_safety_incident": Predicate(
        Phrase("The incident is a critical safety incident of a frontier model."),
        Phrase("The incident is not a critical safety incident of a frontier model."),
    ),
    "imminent_risk": Predicate(
        Phrase("The incident poses an imminent risk of death or serious physical injury."),
        Phrase("The incident poses no imminent risk of death or serious physical injury."),
    ),
    "ny_nexus": Predicate(
        Phrase("The frontier model is developed, deployed or operated in New York."),
        Phrase("The frontier model is not developed, deployed or operated in New York."),
    ),
    "il_nexus": Predicate(
        Phrase("The frontier developer is within reach of Illinois law."),
        Phrase("The frontier developer is not within reach of Illinois law."),
    ),
    "ca_nexus": Predicate(
        Phrase("The frontier developer is within reach of California law."),
        Phrase("The frontier developer is not within reach of California law."),
    ),
    "personal_data_breach": Predicate(
        Phrase(
            "Personal data were destroyed, lost, altered, disclosed or accessed without authority."
        ),
        Phrase("No personal data were destroyed, lost, altered, disclosed or accessed."),
    ),
    "controller": Predicate(
        Phrase("The organisation decides purposes and means of the processing (controller)."),
        Phrase("The organisation is not the controller of the personal data concerned."),
    ),
    "eu_personal_data": Predicate(
        Phrase("The processing is subject to the EU GDPR."),
        Phrase("The processing is not subject to the EU GDPR."),
    ),
    "uk_personal_data": Predicate(
        Phrase("The processing is subject to the UK GDPR."),
        Phrase("The processing is not subject to the UK GDPR."),
    ),
    "risk_unlikely": Predicate(
        Phrase("The breach is unlikely to result in a risk to the rights of natural persons."),
        Phrase("A risk to the rights of natural persons cannot be ruled out."),
    ),
    "nis2_entity_in_scope": Predicate(
        Phrase("The organisation is an essential or important entity under NIS2."),
        Phrase("The organisation is neither an essential nor an important entity under NIS2."),
    ),
    "significant_incident": Predicate(
        Phrase("The incident is significant in the sense of NIS2."),
        Phrase("The incident is not significant in the sense of NIS2."),
    ),
    "incident_ongoing": Predicate(
        Phrase("The incident is still being handled when the final report would fall due."),
        Phrase("The incident is no longer ongoing."),
    ),
    "financial_entity": Predicate(
        Phrase("The organisation is a financial entity under DORA."),
        Phrase("The organisation is not a financial entity under DORA."),
    ),
    "major_ict_incident": Predicate(
        Phrase("The incident was classified as a major ICT-related incident."),
        Phrase("The incident was not classified as a major ICT-related incident."),
    ),
    "product_manufacturer": Predicate(
        Phrase("The organisation manufactures a product with digital elements that is affected."),
        Phrase("The organisation manufactures no affected product with digital elements."),
    ),
    "actively_exploited_vulnerability": Predicate(
        Phrase("A vulnerability in the product is being actively exploited."),
        Phrase("No vulnerability in the product is known to be actively exploited."),
    ),
    "severe_product_incident": Predicate(
        Phrase("The incident severely affects the security of the product."),
        Phrase("The incident does not severely affect the security of the product."),
    ),
    "device_manufacturer": Predicate(
        Phrase("The organisation manufactures a medical device that is concerned."),
        Phrase("The organisation manufactures no medical device that is concerned."),
    ),
}
"""Every predicate, with the sentence for yes and the sentence for no."""

OF_ORGANISATION = frozenset(
    {
        "gpai_systemic_risk_provider",
        "code_signatory",
        "frontier_developer",
        "large_frontier_developer",
        "ca_nexus",
        "il_nexus",
        "ny_nexus",
        "nis2_entity_in_scope",
        "financial_entity",
    }
)
"""Predicates that are settled for a legal entity, whatever its systems."""

OF_SYSTEM = frozenset(
    {
        "provider",
        "deployer",
        "eu_market",
        "annex_iii",
        "annex_i",
        "equivalent_union_reporting",
        "mdr_ivdr_device",
        "legacy_gpai_model",
        "systemic_risk_threshold",
        "controller",
        "eu_personal_data",
        "uk_personal_data",
        "product_manufacturer",
        "device_manufacturer",
    }
)
"""Predicates that are settled for a system before anything has happened."""

OF_INCIDENT = frozenset(PREDICATES) - OF_ORGANISATION - OF_SYSTEM
"""Predicates that only an incident brings; whoever classifies it answers them."""


RECORDED = frozenset(
    {
        "filing.authority",
        "incident.affected",
        "incident.aware_at",
        "incident.classification.consequences",
        "incident.classification.limbs",
        "incident.classification.malicious",
        "incident.classification.reasons",
        "incident.data_affected",
        "incident.deployment.is_internal",
        "incident.evidence",
        "incident.member_states",
        "incident.model_involvement_aware_at",
        "incident.occurred_at",
        "incident.reports",
        "incident.rollbacks",
        "incident.severity",
        "incident.summary",
        "incident.timeline",
        "incident.version",
        "monitoring.patterns",
        "organisation.contact",
        "organisation.dpo",
        "organisation.role",
        "review.risk_assessment",
        "review.root_cause",
        "rollback.reference",
        "version.reference",
        "version.training_flop",
    }
)
"""Names by which the records answer; the storey that keeps them is held to this list by a test."""

STATED = frozenset(
    {
        "report.actor",
        "report.fields",
        "report.kind",
        "report.late_reasons",
        "report.rebuttal",
        "report.recommendation",
        "report.sensitivity",
    }
)
"""What no record holds: whoever drafts the report says it."""

SOURCES = RECORDED | STATED
