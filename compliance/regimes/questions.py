"""Plain questions for whoever classifies an incident, with the legal meaning beside each.

Definitions are in our own words; the text cited decides.
"""

from typing import NamedTuple

from compliance.regimes.vocabulary import Instant, Limb


class Question(NamedTuple):
    """One question, what its answer records, and what the law means by it."""

    id: str
    """The limb, predicate or instant that the answer sets."""
    question: str
    definition: str
    cite: str


LIMB_QUESTIONS: tuple[Question, ...] = (
    Question(
        Limb.DEATH,
        "Did anyone die?",
        "A death to which the system led directly or indirectly. A suspicion is enough to report.",
        "AI Act Art. 3(49)(a), Art. 73(4)",
    ),
    Question(
        Limb.HEALTH,
        "Was anyone's health seriously harmed?",
        "Serious harm to body or mind, also when the system was only one of its causes.",
        "AI Act Art. 3(49)(a)",
    ),
    Question(
        Limb.CRITICAL_INFRASTRUCTURE,
        "Was critical infrastructure disrupted, seriously and beyond undoing?",
        "Energy, transport, water, health, digital and similar supply whose running was upset in a"
        " serious and irreversible way. Both words count.",
        "AI Act Art. 3(49)(b), Art. 73(3)",
    ),
    Question(
        Limb.RIGHTS,
        "Was a duty that protects fundamental rights infringed?",
        "A breach of Union law made to protect such rights: equal treatment, data protection,"
        " asylum, labour and others. Draft guidance asks for grave breaches on a large scale.",
        "AI Act Art. 3(49)(c)",
    ),
    Question(
        Limb.PROPERTY_ENVIRONMENT,
        "Was property or the environment seriously harmed?",
        "Serious in extent or cost; draft guidance looks at five per cent of a thing's price.",
        "AI Act Art. 3(49)(d)",
    ),
    Question(
        Limb.WIDESPREAD_INFRINGEMENT,
        "Did the same breach harm people collectively in several Member States?",
        "Breach of Union law on individuals' interests that harms collective interests in two"
        " Member States beyond that of origin, or the same practice at once in three.",
        "AI Act Art. 3(61), Art. 73(3)",
    ),
    Question(
        Limb.CYBER_BREACH,
        "Were the model, its weights or its infrastructure seriously breached?",
        "Includes weights taken out by anyone, the model itself among them, and credentials or"
        " controls around the model overcome.",
        "Code of Practice Measure 9.3(2); Art. 55(1)(c), (d)",
    ),
    Question(
        Limb.SERIOUS_PUBLIC_HEALTH_THREAT,
        "Is there a serious threat to public health?",
        "For medical devices: an event that may endanger many and calls for prompt action.",
        "MDR Art. 2(66), Art. 87(4)",
    ),
    Question(
        Limb.UNANTICIPATED_DETERIORATION,
        "Did someone's health deteriorate seriously in a way nobody had foreseen?",
        "For medical devices: serious, and not among the foreseen effects.",
        "MDR Art. 87(5)",
    ),
)

PREDICATE_QUESTIONS: tuple[Question, ...] = (
    Question(
        "serious_incident",
        "Is this a serious incident?",
        "An incident or malfunction that led, directly or indirectly, to one of the harms above.",
        "AI Act Art. 3(49)",
    ),
    Question(
        "provider",
        "Are we the provider of the system?",
        "Whoever develops it, or has it developed, and offers it under their own name.",
        "AI Act Art. 3(3)",
    ),
    Question(
        "deployer",
        "Are we the deployer of the system?",
        "Whoever uses it under their own authority in the course of business.",
        "AI Act Art. 3(4)",
    ),
    Question(
        "eu_market",
        "Is the system or model on the Union market, or used in the Union?",
        "Offered or put into service there, or its output used there.",
        "AI Act Art. 2(1)",
    ),
    Question(
        "annex_iii",
        "Is its use listed in Annex III?",
        "Biometrics, critical infrastructure, education, work, essential services, law"
        " enforcement, migration, justice, unless it poses no significant risk.",
        "AI Act Art. 6(2), (3)",
    ),
    Question(
        "annex_i",
        "Is it a product under Annex I, or its safety component?",
        "Product law listed there requires a third party to assess conformity.",
        "AI Act Art. 6(1)",
    ),
    Question(
        "equivalent_union_reporting",
        "Does Union law already lay an equivalent reporting duty on us?",
        "Then only infringed fundamental rights stay reportable under the AI Act.",
        "AI Act Art. 73(9)",
    ),
    Question(
        "mdr_ivdr_device",
        "Is it a medical or in vitro diagnostic device, or its safety component?",
        "Then only infringed fundamental rights stay reportable under the AI Act.",
        "AI Act Art. 73(10)",
    ),
    Question(
        "gpai_systemic_risk_provider",
        "Do we provide a general-purpose model with systemic risk?",
        "Presumed above 10^25 operations of training compute, or designated.",
        "AI Act Art. 51",
    ),
    Question(
        "code_signatory",
        "Have we signed the Safety and Security chapter of the Code of Practice?",
        "Signatories undertook its periods; for others they are a guideline.",
        "AI Act Art. 56; Code of Practice Commitment 9",
    ),
    Question(
        "legacy_gpai_model",
        "Was the model on the market before 2 August 2025?",
        "Then its duties begin on 2 August 2027.",
        "AI Act Art. 111(3)",
    ),
    Question(
        "systemic_risk_threshold",
        "Has a model met the systemic-risk condition, or is it known that it will?",
        "High-impact capabilities, presumed above 10^25 operations of training compute.",
        "AI Act Art. 51(1)(a), (2), Art. 52(1)",
    ),
    Question(
        "frontier_developer",
        "Have we trained a frontier model?",
        "A foundation model trained with more than 10^26 operations.",
        "Cal. Bus. & Prof. Code § 22757.11; N.Y. Gen. Bus. Law § 1420",
    ),
    Question(
        "critical_safety_incident",
        "Is this a critical safety incident?",
        "Weights tampered with or stolen with bodily harm, a catastrophic risk come true, loss of"
        " control with bodily harm, or a model deceiving its developer outside a test in a way that"
        " raises catastrophic risk.",
        "Cal. Bus. & Prof. Code § 22757.11; N.Y. Gen. Bus. Law § 1420(4)",
    ),
    Question(
        "imminent_risk",
        "Is anyone in imminent danger of death or serious injury?",
        "Then an authority able to act must be told within 24 hours, beside the report.",
        "Cal. Bus. & Prof. Code § 22757.13; N.Y. Gen. Bus. Law § 1422",
    ),
    Question(
        "ny_nexus",
        "Is the frontier model developed, deployed or operated in New York?",
        "In whole or in part.",
        "N.Y. Gen. Bus. Law art. 44-B",
    ),
    Question(
        "il_nexus",
        "Does Illinois law reach us as a frontier developer?",
        "Ask counsel: the enrolled text was not read.",
        "Ill. P.A. 104-0538",
    ),
    Question(
        "ca_nexus",
        "Does California law reach us as a frontier developer?",
        "Doing business there, or offering the model there.",
        "Cal. Bus. & Prof. Code § 22757.11",
    ),
    Question(
        "personal_data_breach",
        "Were personal data breached?",
        "Destroyed, lost, altered, disclosed or accessed, by accident or against the law.",
        "GDPR Art. 4(12)",
    ),
    Question(
        "controller",
        "Are we the controller of these data?",
        "Whoever decides why and how they are processed.",
        "GDPR Art. 4(7)",
    ),
    Question(
        "eu_personal_data",
        "Does the EU GDPR govern the processing?",
        "An establishment in the Union, or people there who are offered something or observed.",
        "GDPR Art. 3",
    ),
    Question(
        "uk_personal_data",
        "Does the UK GDPR govern the processing?",
        "An establishment in the United Kingdom, or people there who are offered something or"
        " observed.",
        "UK GDPR Art. 3",
    ),
    Question(
        "risk_unlikely",
        "Is a risk to people's rights unlikely?",
        "Only then may the notification be left out; the breach is documented all the same.",
        "GDPR Art. 33(1), (5)",
    ),
    Question(
        "nis2_entity_in_scope",
        "Are we an essential or important entity?",
        "By sector and size, or named by the Member State.",
        "NIS2 Art. 2, Art. 3",
    ),
    Question(
        "significant_incident",
        "Is the incident significant?",
        "Severe disruption or loss for us, or considerable damage to others, caused or possible.",
        "NIS2 Art. 23(3)",
    ),
    Question(
        "incident_ongoing",
        "Is the incident still being handled when the final report would fall due?",
        "Then a progress report is due, and the final one a month after handling ends.",
        "NIS2 Art. 23(4)(e)",
    ),
    Question(
        "financial_entity",
        "Are we a financial entity?",
        "Banks, payment and investment firms, insurers and the others listed.",
        "DORA Art. 2",
    ),
    Question(
        "major_ict_incident",
        "Was the incident classified as major?",
        "By clients affected, duration, spread, data lost, criticality and cost.",
        "DORA Art. 18",
    ),
    Question(
        "product_manufacturer",
        "Do we manufacture the product with digital elements concerned?",
        "Software or hardware offered under our name that connects to a device or network.",
        "CRA Art. 3",
    ),
    Question(
        "actively_exploited_vulnerability",
        "Is a vulnerability in it being exploited?",
        "There is reliable evidence that someone used it without the owner's leave.",
        "CRA Art. 3, Art. 14(1)",
    ),
    Question(
        "severe_product_incident",
        "Does the incident severely affect the security of the product?",
        "It harms, or can harm, the protection of sensitive data or functions, or led to malicious"
        " code.",
        "CRA Art. 14(3), (5)",
    ),
    Question(
        "device_manufacturer",
        "Do we manufacture the medical device concerned?",
        "Whoever makes or has it made and offers it under their own name.",
        "MDR Art. 2(30), Art. 87(1)",
    ),
)

INSTANT_QUESTIONS: tuple[Question, ...] = (
    Question(
        Instant.OCCURRED,
        "When did it happen?",
        "The first moment of the incident, or the best approximation. It starts no clock.",
        "Code of Practice Measure 9.2(1)",
    ),
    Question(
        Instant.DETECTED,
        "When did a system or a person first notice something?",
        "An alert is not awareness: nobody may have known yet what it meant.",
        "House rule",
    ),
    Question(
        Instant.AWARE,
        "When did a person of ours become aware of the incident?",
        "With reasonable certainty that it happened. Waiting for others does not delay this.",
        "AI Act Art. 73(2); GDPR Art. 33(1)",
    ),
    Question(
        Instant.MODEL_INVOLVEMENT_AWARE,
        "When did we become aware that our model was involved?",
        "May be later than awareness of the incident.",
        "Code of Practice Measure 9.3",
    ),
    Question(
        Instant.REASONABLE_BELIEF,
        "When did we hold facts sufficient for a reasonable belief?",
        "Certainty is not needed.",
        "N.Y. Gen. Bus. Law § 1422; Ill. P.A. 104-0538",
    ),
    Question(
        Instant.DETERMINED,
        "When did we determine that it is reportable?",
        "The decision itself, whenever the facts were known.",
        "N.Y. Gen. Bus. Law § 1422",
    ),
    Question(
        Instant.CLASSIFIED,
        "When was it classified, or classified anew?",
        "Starts the four hours under DORA; elsewhere shows what was known when.",
        "DORA Art. 18; Delegated Regulation (EU) 2025/301 Art. 5",
    ),
    Question(
        Instant.CAUSAL_LINK,
        "When was a causal link, or its reasonable likelihood, established?",
        "From then on the report is due at once, inside the outer limit from awareness.",
        "AI Act Art. 73(2)",
    ),
    Question(
        Instant.DISCOVERED,
        "When was the incident discovered?",
        "California counts from discovery.",
        "Cal. Bus. & Prof. Code § 22757.13",
    ),
    Question(
        Instant.IMMINENT_RISK_DISCOVERED,
        "When was an imminent danger to life discovered?",
        "Starts the 24 hours to an authority able to act.",
        "Cal. Bus. & Prof. Code § 22757.13; N.Y. Gen. Bus. Law § 1422",
    ),
    Question(
        Instant.MEASURE_AVAILABLE,
        "When did a corrective or mitigating measure become available?",
        "The final report on a vulnerability counts from here, not from awareness.",
        "CRA Art. 14(2)(c)",
    ),
    Question(
        Instant.RESOLVED,
        "When was the incident resolved?",
        "The measures that set right the harm and deal with its risk were adopted.",
        "Code of Practice Measure 9.3",
    ),
)
