"""The OECD's common reporting framework for AI incidents: 29 criteria, the superset that reports draw on.

Source: OECD Artificial Intelligence Papers No. 34 (February 2025), known here through a secondary
mapping: which criteria there are and which are mandatory. The wording is ours; how they are gathered
under dimensions is from memory. No regime in force asks for these answers by this name.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import NamedTuple

from compliance.phrase import Phrase
from compliance.regimes.schema import Evidence

EVIDENCE = Evidence.SECONDARY


class Dimension(StrEnum):
    """What a criterion is about."""

    METADATA = "metadata"
    HARM = "harm"
    PEOPLE = "people"
    ECONOMY = "economy"
    DATA = "data"
    MODEL = "model"
    TASK = "task"
    OTHER = "other"


DIMENSIONS: dict[Dimension, Phrase] = {
    Dimension.METADATA: Phrase("The incident itself"),
    Dimension.HARM: Phrase("Harm"),
    Dimension.PEOPLE: Phrase("People and planet"),
    Dimension.ECONOMY: Phrase("Economic context"),
    Dimension.DATA: Phrase("Data and input"),
    Dimension.MODEL: Phrase("AI model"),
    Dimension.TASK: Phrase("Task and output"),
    Dimension.OTHER: Phrase("Further information"),
}
"""The dimensions in words."""


class Criterion(NamedTuple):
    """One criterion: its number, what is asked, and where else the answer lies or serves."""

    number: int
    id: str
    label: Phrase
    dimension: Dimension
    is_mandatory: bool = False
    source: str = ""
    """What reports call the same fact: answered by the records first, and by this where they do not."""
    choices: tuple[tuple[str, Phrase], ...] = ()
    may_be_several: bool = False


SEVERITIES = (
    ("hazard", Phrase("hazard")),
    ("serious_hazard", Phrase("serious hazard")),
    ("incident", Phrase("incident")),
    ("serious_incident", Phrase("serious incident")),
    ("disaster", Phrase("disaster")),
)
HARMS = (
    ("physical", Phrase("physical")),
    ("psychological", Phrase("psychological")),
    ("reputational", Phrase("reputational")),
    ("economic", Phrase("economic or property")),
    ("environmental", Phrase("environmental")),
    ("public_interest", Phrase("public interest or critical infrastructure")),
    ("rights", Phrase("human or fundamental rights")),
    ("other", Phrase("other")),
)

CRITERIA: tuple[Criterion, ...] = (
    Criterion(1, "title", Phrase("Title"), Dimension.METADATA, True, "incident.title"),
    Criterion(
        2, "description", Phrase("What happened"), Dimension.METADATA, True, "incident.summary"
    ),
    Criterion(3, "relation", Phrase("How the AI system relates to it"), Dimension.METADATA, True),
    Criterion(
        4, "submitter", Phrase("Who submits it"), Dimension.METADATA, True, "organisation.contact"
    ),
    Criterion(
        5,
        "first_occurred",
        Phrase("Date of the first known occurrence"),
        Dimension.METADATA,
        source="incident.occurred_at",
    ),
    Criterion(
        6,
        "countries",
        Phrase("Countries where it happened"),
        Dimension.METADATA,
        source="incident.member_states",
    ),
    Criterion(
        7,
        "materials",
        Phrase("Supporting materials"),
        Dimension.METADATA,
        True,
        "incident.evidence",
    ),
    Criterion(
        8,
        "system",
        Phrase("Name and version of the system"),
        Dimension.METADATA,
        source="incident.version",
    ),
    Criterion(
        9,
        "organisations",
        Phrase("Organisations that developed and deployed it"),
        Dimension.METADATA,
    ),
    Criterion(10, "severity", Phrase("Severity"), Dimension.HARM, True, choices=SEVERITIES),
    Criterion(
        11,
        "harm",
        Phrase("Kinds of harm"),
        Dimension.HARM,
        True,
        choices=HARMS,
        may_be_several=True,
    ),
    Criterion(
        12,
        "quantified",
        Phrase("How much harm, in numbers"),
        Dimension.HARM,
        source="incident.classification.consequences",
    ),
    Criterion(
        13,
        "wrongful_use",
        Phrase("Unintended or wrongful use"),
        Dimension.HARM,
        source="incident.classification.malicious",
    ),
    Criterion(
        14,
        "stakeholders",
        Phrase("Who is affected"),
        Dimension.PEOPLE,
        source="incident.affected",
    ),
    Criterion(15, "rights", Phrase("Human and fundamental rights concerned"), Dimension.PEOPLE),
    Criterion(16, "principles", Phrase("AI principles concerned"), Dimension.PEOPLE),
    Criterion(17, "industries", Phrase("Industries (ISIC)"), Dimension.ECONOMY),
    Criterion(18, "functions", Phrase("Business functions"), Dimension.ECONOMY),
    Criterion(19, "critical", Phrase("Critical functions or infrastructure"), Dimension.ECONOMY),
    Criterion(20, "breadth", Phrase("How widely it is deployed"), Dimension.ECONOMY),
    Criterion(
        21,
        "training_data",
        Phrase("Link to the training data"),
        Dimension.DATA,
    ),
    Criterion(
        22, "model", Phrase("Link to the model"), Dimension.MODEL, source="version.reference"
    ),
    Criterion(23, "usage_rights", Phrase("Usage rights of the model"), Dimension.MODEL),
    Criterion(24, "several_systems", Phrase("Several systems acting together"), Dimension.MODEL),
    Criterion(25, "tasks", Phrase("Tasks of the system"), Dimension.TASK),
    Criterion(26, "autonomy", Phrase("How autonomously it acts"), Dimension.TASK),
    Criterion(27, "actions", Phrase("Actions taken"), Dimension.OTHER, source="incident.rollbacks"),
    Criterion(28, "reproduce", Phrase("Steps to reproduce it"), Dimension.OTHER),
    Criterion(29, "further", Phrase("Anything else"), Dimension.OTHER),
)
"""All of them, by number."""

BY_ID = {each.id: each for each in CRITERIA}
MOST = 2_000
"""Characters of one answer."""
# What the records alone say in a report.
_APART = frozenset({"title", "description", "first_occurred", "materials"})


def checked(answers: Mapping[str, object]) -> dict[str, str | list[str]]:
    """The answers that were given, by criterion; empty ones are left out.

    Raises:
        ValueError: there is no such criterion, or no such choice.
    """
    found: dict[str, str | list[str]] = {}
    for name, answer in answers.items():
        criterion = BY_ID.get(name)
        if criterion is None:
            raise ValueError(f"oecd: unknown criterion {name!r:.60}")
        given = [str(each) for each in answer] if isinstance(answer, list) else [str(answer)]
        given = [each.strip()[:MOST] for each in given if each.strip()]
        known = {value for value, _ in criterion.choices}
        if known and not known.issuperset(given):
            raise ValueError(f"oecd: {name} is one of {', '.join(sorted(known))}")
        if given:
            found[name] = given if criterion.may_be_several else given[0]
    return found


def for_reports(answers: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """What an answer can fill in a report, by the report's name for it, where records leave it open."""
    for criterion in CRITERIA:
        answer = answers.get(criterion.id)
        if criterion.source and criterion.id not in _APART and isinstance(answer, str) and answer:
            yield criterion.source, answer


def missing(answers: Mapping[str, object], known: Mapping[str, object]) -> list[Criterion]:
    """Mandatory criteria that neither the answers nor the records (by report source) fill."""
    return [
        each
        for each in CRITERIA
        if each.is_mandatory and not answers.get(each.id) and not known.get(each.source)
    ]
