"""The closed vocabulary that packs and facts share: instants, limbs, stages, entities, predicates.

A name that is not here is a mistake in a pack or in the facts, and both say so at once.
"""

from enum import StrEnum
from typing import NamedTuple


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


ENTITIES = frozenset(
    {
        "provider",
        "deployer",
        "gpai_provider",
        "frontier_developer",
        "controller",
        "processor",
        "manufacturer",
        "financial_entity",
        "credit_institution",
        "central_counterparty",
        "trading_venue",
        "nis2_entity",
        "payment_institution",
        "electronic_money_institution",
        "account_information_service_provider",
        "investment_firm",
        "crypto_asset_service_provider",
        "central_securities_depository",
        "trade_repository",
        "fund_manager",
        "management_company",
        "data_reporting_service_provider",
        "insurance_undertaking",
        "reinsurance_undertaking",
        "insurance_intermediary",
        "pension_institution",
        "credit_rating_agency",
        "benchmark_administrator",
        "crowdfunding_service_provider",
        "securitisation_repository",
        "non_bank",
        "trust_service_provider",
        "essential_entity",
        "important_entity",
        "other",
    }
)
"""Kinds of organisation; some counting rules grant or refuse a relief by them."""


class Predicate(NamedTuple):
    """A yes-or-no fact about the organisation, the model, the system or the incident."""

    says: str
    """The sentence when it is true."""
    denies: str
    """The sentence when it is false."""


PREDICATES: dict[str, Predicate] = {
    "serious_incident": Predicate(
        "The incident was classified as serious.",
        "The incident was not classified as serious.",
    ),
    "provider": Predicate(
        "The organisation is the provider of the AI system.",
        "The organisation is not the provider of the AI system.",
    ),
    "deployer": Predicate(
        "The organisation is the deployer of the AI system.",
        "The organisation is not the deployer of the AI system.",
    ),
    "eu_market": Predicate(
        "The system or model is placed on the Union market or used in the Union.",
        "The system or model is neither placed on the Union market nor used in the Union.",
    ),
    "annex_iii": Predicate(
        "The system is high-risk because its use is listed in Annex III.",
        "The use of the system is not listed in Annex III.",
    ),
    "annex_i": Predicate(
        "The system is high-risk as, or as a safety component of, a product under Annex I.",
        "The system is neither a product under Annex I nor a safety component of one.",
    ),
    "equivalent_union_reporting": Predicate(
        "Union law already lays an equivalent reporting duty on the provider.",
        "No equivalent Union reporting duty applies to the provider.",
    ),
    "mdr_ivdr_device": Predicate(
        "The system is, or is a safety component of, a medical or in vitro diagnostic device.",
        "The system is not a medical or in vitro diagnostic device.",
    ),
    "gpai_systemic_risk_provider": Predicate(
        "The organisation provides a general-purpose AI model with systemic risk.",
        "The organisation provides no general-purpose AI model with systemic risk.",
    ),
    "code_signatory": Predicate(
        "The organisation signed the Safety and Security chapter of the Code of Practice.",
        "The organisation did not sign the Safety and Security chapter of the Code of Practice.",
    ),
    "legacy_gpai_model": Predicate(
        "The model was placed on the market before 2 August 2025.",
        "The model was placed on the market on or after 2 August 2025.",
    ),
    "systemic_risk_threshold": Predicate(
        "The model meets, or is known to be about to meet, the systemic-risk condition.",
        "The model does not meet the systemic-risk condition and is not known to be about to.",
    ),
    "frontier_developer": Predicate(
        "The organisation trained a frontier model (more than 10^26 operations).",
        "The organisation trained no frontier model (more than 10^26 operations).",
    ),
    "critical_safety_incident": Predicate(
        "The incident is a critical safety incident of a frontier model.",
        "The incident is not a critical safety incident of a frontier model.",
    ),
    "imminent_risk": Predicate(
        "The incident poses an imminent risk of death or serious physical injury.",
        "The incident poses no imminent risk of death or serious physical injury.",
    ),
    "ny_nexus": Predicate(
        "The frontier model is developed, deployed or operated in New York.",
        "The frontier model is not developed, deployed or operated in New York.",
    ),
    "il_nexus": Predicate(
        "The frontier developer is within reach of Illinois law.",
        "The frontier developer is not within reach of Illinois law.",
    ),
    "ca_nexus": Predicate(
        "The frontier developer is within reach of California law.",
        "The frontier developer is not within reach of California law.",
    ),
    "personal_data_breach": Predicate(
        "Personal data were destroyed, lost, altered, disclosed or accessed without authority.",
        "No personal data were destroyed, lost, altered, disclosed or accessed.",
    ),
    "controller": Predicate(
        "The organisation decides purposes and means of the processing (controller).",
        "The organisation is not the controller of the personal data concerned.",
    ),
    "eu_personal_data": Predicate(
        "The processing is subject to the EU GDPR.",
        "The processing is not subject to the EU GDPR.",
    ),
    "uk_personal_data": Predicate(
        "The processing is subject to the UK GDPR.",
        "The processing is not subject to the UK GDPR.",
    ),
    "risk_unlikely": Predicate(
        "The breach is unlikely to result in a risk to the rights of natural persons.",
        "A risk to the rights of natural persons cannot be ruled out.",
    ),
    "nis2_entity_in_scope": Predicate(
        "The organisation is an essential or important entity under NIS2.",
        "The organisation is neither an essential nor an important entity under NIS2.",
    ),
    "significant_incident": Predicate(
        "The incident is significant in the sense of NIS2.",
        "The incident is not significant in the sense of NIS2.",
    ),
    "incident_ongoing": Predicate(
        "The incident is still being handled when the final report would fall due.",
        "The incident is no longer ongoing.",
    ),
    "financial_entity": Predicate(
        "The organisation is a financial entity under DORA.",
        "The organisation is not a financial entity under DORA.",
    ),
    "major_ict_incident": Predicate(
        "The incident was classified as a major ICT-related incident.",
        "The incident was not classified as a major ICT-related incident.",
    ),
    "product_manufacturer": Predicate(
        "The organisation manufactures a product with digital elements that is affected.",
        "The organisation manufactures no affected product with digital elements.",
    ),
    "actively_exploited_vulnerability": Predicate(
        "A vulnerability in the product is being actively exploited.",
        "No vulnerability in the product is known to be actively exploited.",
    ),
    "severe_product_incident": Predicate(
        "The incident severely affects the security of the product.",
        "The incident does not severely affect the security of the product.",
    ),
    "device_manufacturer": Predicate(
        "The organisation manufactures a medical device that is concerned.",
        "The organisation manufactures no medical device that is concerned.",
    ),
}
"""Every predicate, with the sentence for yes and the sentence for no."""
