"""Plain questions for whoever classifies an incident, with the legal meaning beside each.

Definitions are in our own words; the text cited decides.
"""

from typing import NamedTuple

from compliance.phrase import Phrase
from compliance.regimes.vocabulary import Instant, Limb


class Question(NamedTuple):
    """One question, what its answer records, and what the law means by it."""

    id: str
    """The limb, predicate or instant that the answer sets."""
    question: Phrase
    definition: Phrase
    cite: Phrase


LIMB_QUESTIONS: tuple[Question, ...] = (
    Question(
        Limb.DEATH,
        Phrase("Did anyone die?"),
        Phrase(
            "A death to which the system led directly or indirectly. A suspicion is enough to report."
        ),
        Phrase("AI Act Art. 3(49)(a), Art. 73(4)"),
    ),
    Question(
        Limb.HEALTH,
        Phrase("Was anyone's health seriously harmed?"),
        Phrase("Serious harm to body or mind, also when the system was only one of its causes."),
        Phrase("AI Act Art. 3(49)(a)"),
    ),
    Question(
        Limb.CRITICAL_INFRASTRUCTURE,
        Phrase("Was critical infrastructure disrupted, seriously and beyond undoing?"),
        Phrase(
            "Energy, transport, water, health, digital and similar supply whose running was upset in a"
            " serious and irreversible way. Both words count."
        ),
        Phrase("AI Act Art. 3(49)(b), Art. 73(3)"),
    ),
    Question(
        Limb.RIGHTS,
        Phrase("Was a duty that protects fundamental rights infringed?"),
        Phrase(
            "A breach of Union law made to protect such rights: equal treatment, data protection,"
            " asylum, labour and others. Draft guidance asks for grave breaches on a large scale."
        ),
        Phrase("AI Act Art. 3(49)(c)"),
    ),
    Question(
        Limb.PROPERTY_ENVIRONMENT,
        Phrase("Was property or the environment seriously harmed?"),
        Phrase(
            "Serious in extent or cost; draft guidance looks at five per cent of a thing's price."
        ),
        Phrase("AI Act Art. 3(49)(d)"),
    ),
    Question(
        Limb.WIDESPREAD_INFRINGEMENT,
        Phrase("Did the same breach harm people collectively in several Member States?"),
        Phrase(
            "Breach of Union law on individuals' interests that harms collective interests in two"
            " Member States beyond that of origin, or the same practice at once in three."
        ),
        Phrase("AI Act Art. 3(61), Art. 73(3)"),
    ),
    Question(
        Limb.CYBER_BREACH,
        Phrase("Were the model, its weights or its infrastructure seriously breached?"),
        Phrase(
            "Includes weights taken out by anyone, the model itself among them, and credentials or"
            " controls around the model overcome."
        ),
        Phrase("Code of Practice Measure 9.3(2); Art. 55(1)(c), (d)"),
    ),
    Question(
        Limb.SERIOUS_PUBLIC_HEALTH_THREAT,
        Phrase("Is there a serious threat to public health?"),
        Phrase("For medical devices: an event that may endanger many and calls for prompt action."),
        Phrase("MDR Art. 2(66), Art. 87(4)"),
    ),
    Question(
        Limb.UNANTICIPATED_DETERIORATION,
        Phrase("Did someone's health deteriorate seriously in a way nobody had foreseen?"),
        Phrase("For medical devices: serious, and not among the foreseen effects."),
        Phrase("MDR Art. 87(5)"),
    ),
)

PREDICATE_QUESTIONS: tuple[Question, ...] = (
    Question(
        "serious_incident",
        Phrase("Is this a serious incident?"),
        Phrase(
            "An incident or malfunction that led, directly or indirectly, to one of the harms above."
        ),
        Phrase("AI Act Art. 3(49)"),
    ),
    Question(
        "provider",
        Phrase("Are we the provider of the system?"),
        Phrase("Whoever develops it, or has it developed, and offers it under their own name."),
        Phrase("AI Act Art. 3(3)"),
    ),
    Question(
        "deployer",
        Phrase("Are we the deployer of the system?"),
        Phrase("Whoever uses it under their own authority in the course of business."),
        Phrase("AI Act Art. 3(4)"),
    ),
    Question(
        "eu_market",
        Phrase("Is the system or model on the Union market, or used in the Union?"),
        Phrase("Offered or put into service there, or its output used there."),
        Phrase("AI Act Art. 2(1)"),
    ),
    Question(
        "annex_iii",
        Phrase("Is its use listed in Annex III?"),
        Phrase(
            "Biometrics, critical infrastructure, education, work, essential services, law"
            " enforcement, migration, justice, unless it poses no significant risk."
        ),
        Phrase("AI Act Art. 6(2), (3)"),
    ),
    Question(
        "annex_i",
        Phrase("Is it a product under Annex I, or its safety component?"),
        Phrase("Product law listed there requires a third party to assess conformity."),
        Phrase("AI Act Art. 6(1)"),
    ),
    Question(
        "equivalent_union_reporting",
        Phrase("Does Union law already lay an equivalent reporting duty on us?"),
        Phrase("Then only infringed fundamental rights stay reportable under the AI Act."),
        Phrase("AI Act Art. 73(9)"),
    ),
    Question(
        "mdr_ivdr_device",
        Phrase("Is it a medical or in vitro diagnostic device, or its safety component?"),
        Phrase("Then only infringed fundamental rights stay reportable under the AI Act."),
        Phrase("AI Act Art. 73(10)"),
    ),
    Question(
        "gpai_systemic_risk_provider",
        Phrase("Do we provide a general-purpose model with systemic risk?"),
        Phrase("Presumed above 10^25 operations of training compute, or designated."),
        Phrase("AI Act Art. 51"),
    ),
    Question(
        "code_signatory",
        Phrase("Have we signed the Safety and Security chapter of the Code of Practice?"),
        Phrase("Signatories undertook its periods; for others they are a guideline."),
        Phrase("AI Act Art. 56; Code of Practice Commitment 9"),
    ),
    Question(
        "legacy_gpai_model",
        Phrase("Was the model on the market before 2 August 2025?"),
        Phrase("Then its duties begin on 2 August 2027."),
        Phrase("AI Act Art. 111(3)"),
    ),
    Question(
        "systemic_risk_threshold",
        Phrase("Has a model met the systemic-risk condition, or is it known that it will?"),
        Phrase("High-impact capabilities, presumed above 10^25 operations of training compute."),
        Phrase("AI Act Art. 51(1)(a), (2), Art. 52(1)"),
    ),
    Question(
        "frontier_developer",
        Phrase("Have we trained a frontier model?"),
        Phrase("A foundation model trained with more than 10^26 operations."),
        Phrase("Cal. Bus. & Prof. Code § 22757.11; N.Y. Gen. Bus. Law § 1420"),
    ),
    Question(
        "large_frontier_developer",
        Phrase("Are we a large frontier developer?"),
        Phrase("More than 500 million US dollars a year, affiliates included."),
        Phrase("Cal. Bus. & Prof. Code § 22757.11; N.Y. Gen. Bus. Law § 1420"),
    ),
    Question(
        "critical_safety_incident",
        Phrase("Is this a critical safety incident?"),
        Phrase(
            "Weights tampered with or stolen with bodily harm, a catastrophic risk come true, loss of"
            " control with bodily harm, or a model deceiving its developer outside a test in a way that"
            " raises catastrophic risk."
        ),
        Phrase("Cal. Bus. & Prof. Code § 22757.11; N.Y. Gen. Bus. Law § 1420(4)"),
    ),
    Question(
        "imminent_risk",
        Phrase("Is anyone in imminent danger of death or serious injury?"),
        Phrase("Then an authority able to act must be told within 24 hours, beside the report."),
        Phrase("Cal. Bus. & Prof. Code § 22757.13; N.Y. Gen. Bus. Law § 1422"),
    ),
    Question(
        "ny_nexus",
        Phrase("Is the frontier model developed, deployed or operated in New York?"),
        Phrase("In whole or in part."),
        Phrase("N.Y. Gen. Bus. Law art. 44-B"),
    ),
    Question(
        "il_nexus",
        Phrase("Does Illinois law reach us as a frontier developer?"),
        Phrase("Ask counsel: the enrolled text was not read."),
        Phrase("Ill. P.A. 104-0538"),
    ),
    Question(
        "ca_nexus",
        Phrase("Does California law reach us as a frontier developer?"),
        Phrase("Doing business there, or offering the model there."),
        Phrase("Cal. Bus. & Prof. Code § 22757.11"),
    ),
    Question(
        "personal_data_breach",
        Phrase("Were personal data breached?"),
        Phrase("Destroyed, lost, altered, disclosed or accessed, by accident or against the law."),
        Phrase("GDPR Art. 4(12)"),
    ),
    Question(
        "controller",
        Phrase("Are we the controller of these data?"),
        Phrase("Whoever decides why and how they are processed."),
        Phrase("GDPR Art. 4(7)"),
    ),
    Question(
        "eu_personal_data",
        Phrase("Does the EU GDPR govern the processing?"),
        Phrase(
            "An establishment in the Union, or people there who are offered something or observed."
        ),
        Phrase("GDPR Art. 3"),
    ),
    Question(
        "uk_personal_data",
        Phrase("Does the UK GDPR govern the processing?"),
        Phrase(
            "An establishment in the United Kingdom, or people there who are offered something or"
            " observed."
        ),
        Phrase("UK GDPR Art. 3"),
    ),
    Question(
        "risk_unlikely",
        Phrase("Is a risk to people's rights unlikely?"),
        Phrase(
            "Only then may the notification be left out; the breach is documented all the same."
        ),
        Phrase("GDPR Art. 33(1), (5)"),
    ),
    Question(
        "nis2_entity_in_scope",
        Phrase("Are we an essential or important entity?"),
        Phrase("By sector and size, or named by the Member State."),
        Phrase("NIS2 Art. 2, Art. 3"),
    ),
    Question(
        "significant_incident",
        Phrase("Is the incident significant?"),
        Phrase(
            "Severe disruption or loss for us, or considerable damage to others, caused or possible."
        ),
        Phrase("NIS2 Art. 23(3)"),
    ),
    Question(
        "incident_ongoing",
        Phrase("Is the incident still being handled when the final report would fall due?"),
        Phrase("Then a progress report is due, and the final one a month after handling ends."),
        Phrase("NIS2 Art. 23(4)(e)"),
    ),
    Question(
        "financial_entity",
        Phrase("Are we a financial entity?"),
        Phrase("Banks, payment and investment firms, insurers and the others listed."),
        Phrase("DORA Art. 2"),
    ),
    Question(
        "major_ict_incident",
        Phrase("Was the incident classified as major?"),
        Phrase("By clients affected, duration, spread, data lost, criticality and cost."),
        Phrase("DORA Art. 18"),
    ),
    Question(
        "product_manufacturer",
        Phrase("Do we manufacture the product with digital elements concerned?"),
        Phrase("Software or hardware offered under our name that connects to a device or network."),
        Phrase("CRA Art. 3"),
    ),
    Question(
        "actively_exploited_vulnerability",
        Phrase("Is a vulnerability in it being exploited?"),
        Phrase("There is reliable evidence that someone used it without the owner's leave."),
        Phrase("CRA Art. 3, Art. 14(1)"),
    ),
    Question(
        "severe_product_incident",
        Phrase("Does the incident severely affect the security of the product?"),
        Phrase(
            "It harms, or can harm, the protection of sensitive data or functions, or led to malicious"
            " code."
        ),
        Phrase("CRA Art. 14(3), (5)"),
    ),
    Question(
        "device_manufacturer",
        Phrase("Do we manufacture the medical device concerned?"),
        Phrase("Whoever makes or has it made and offers it under their own name."),
        Phrase("MDR Art. 2(30), Art. 87(1)"),
    ),
)

INSTANT_QUESTIONS: tuple[Question, ...] = (
    Question(
        Instant.OCCURRED,
        Phrase("When did it happen?"),
        Phrase("The first moment of the incident, or the best approximation. It starts no clock."),
        Phrase("Code of Practice Measure 9.2(1)"),
    ),
    Question(
        Instant.DETECTED,
        Phrase("When did a system or a person first notice something?"),
        Phrase("An alert is not awareness: nobody may have known yet what it meant."),
        Phrase("House rule"),
    ),
    Question(
        Instant.AWARE,
        Phrase("When did a person of ours become aware of the incident?"),
        Phrase(
            "With reasonable certainty that it happened. Waiting for others does not delay this."
        ),
        Phrase("AI Act Art. 73(2); GDPR Art. 33(1)"),
    ),
    Question(
        Instant.MODEL_INVOLVEMENT_AWARE,
        Phrase("When did we become aware that our model was involved?"),
        Phrase("May be later than awareness of the incident."),
        Phrase("Code of Practice Measure 9.3"),
    ),
    Question(
        Instant.REASONABLE_BELIEF,
        Phrase("When did we hold facts sufficient for a reasonable belief?"),
        Phrase("Certainty is not needed."),
        Phrase("N.Y. Gen. Bus. Law § 1422; Ill. P.A. 104-0538"),
    ),
    Question(
        Instant.DETERMINED,
        Phrase("When did we determine that it is reportable?"),
        Phrase("The decision itself, whenever the facts were known."),
        Phrase("N.Y. Gen. Bus. Law § 1422"),
    ),
    Question(
        Instant.CLASSIFIED,
        Phrase("When was it classified, or classified anew?"),
        Phrase("Starts the four hours under DORA; elsewhere shows what was known when."),
        Phrase("DORA Art. 18; Delegated Regulation (EU) 2025/301 Art. 5"),
    ),
    Question(
        Instant.CAUSAL_LINK,
        Phrase("When was a causal link, or its reasonable likelihood, established?"),
        Phrase("From then on the report is due at once, inside the outer limit from awareness."),
        Phrase("AI Act Art. 73(2)"),
    ),
    Question(
        Instant.DISCOVERED,
        Phrase("When was the incident discovered?"),
        Phrase("California counts from discovery."),
        Phrase("Cal. Bus. & Prof. Code § 22757.13"),
    ),
    Question(
        Instant.IMMINENT_RISK_DISCOVERED,
        Phrase("When was an imminent danger to life discovered?"),
        Phrase("Starts the 24 hours to an authority able to act."),
        Phrase("Cal. Bus. & Prof. Code § 22757.13; N.Y. Gen. Bus. Law § 1422"),
    ),
    Question(
        Instant.MEASURE_AVAILABLE,
        Phrase("When did a corrective or mitigating measure become available?"),
        Phrase("The final report on a vulnerability counts from here, not from awareness."),
        Phrase("CRA Art. 14(2)(c)"),
    ),
    Question(
        Instant.RESOLVED,
        Phrase("When was the incident resolved?"),
        Phrase("The measures that set right the harm and deal with its risk were adopted."),
        Phrase("Code of Practice Measure 9.3"),
    ),
)

REGISTER_QUESTIONS: tuple[Question, ...] = (
    Question(
        "eu_role",
        Phrase("Which role do we have for the system?"),
        Phrase("As the AI Act names them. It answers whether we are provider or deployer."),
        Phrase("AI Act Art. 3(3) to (7)"),
    ),
    Question(
        "risk_class",
        Phrase("Which risk class does the system have?"),
        Phrase("As the provider classified it; a high risk rests on Annex III or on Annex I."),
        Phrase("AI Act Art. 5, 6, 50"),
    ),
    Question(
        "member_states",
        Phrase("In which Member States is it on the market or in use?"),
        Phrase("Two letters each. One is enough to be on the Union market."),
        Phrase("AI Act Art. 2(1)"),
    ),
    Question(
        "entity",
        Phrase("Which kind of organisation are we?"),
        Phrase("Some counting rules grant or refuse a relief by it."),
        Phrase("Delegated Regulation (EU) 2025/301 Art. 5; NIS2 Art. 23(4)"),
    ),
    Question(
        "calendar",
        Phrase("Whose public holidays count at the authority?"),
        Phrase("Days on which the recipient is closed; without an answer only weekends are."),
        Phrase("Reg. 1182/71 Art. 2(1)"),
    ),
    Question(
        "recipient_zone",
        Phrase("In which time zone is the authority?"),
        Phrase("Days end at its midnight; without an answer the system's own zone is taken."),
        Phrase("House rule"),
    ),
    Question(
        "is_internal",
        Phrase("Is the system used inside the organisation only?"),
        Phrase("Reports to authorities say so."),
        Phrase("Cal. Bus. & Prof. Code § 22757.13; N.Y. Gen. Bus. Law § 1422"),
    ),
    Question(
        "contact",
        Phrase("Who is the contact for authorities?"),
        Phrase("Name and address, as reports print them."),
        Phrase("AI Act Art. 73, draft template 1.3"),
    ),
    Question(
        "dpo",
        Phrase("Who is the data protection officer, or other contact for data protection?"),
        Phrase("Name and address, as reports print them."),
        Phrase("GDPR Art. 33(3)(b)"),
    ),
    Question(
        "training_flop",
        Phrase("How many operations went into training the model?"),
        Phrase("A number such as 3e25, fine-tuning and its base together, as far as known."),
        Phrase("AI Act Art. 51(2); Cal. Bus. & Prof. Code § 22757.11"),
    ),
    Question(
        "annual_revenue_usd",
        Phrase("What is our annual gross revenue, affiliates included, in US dollars?"),
        Phrase("A number such as 750000000, for the calendar year before."),
        Phrase("Cal. Bus. & Prof. Code § 22757.11; N.Y. Gen. Bus. Law § 1420"),
    ),
)
"""What else is settled before anything happens: no predicate, but asked for by rules and reports."""
