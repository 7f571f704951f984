"""Every word of the house goes through gettext: pages and papers, read in a language of marks.

A text may stand unmarked when it is recorded: typed by somebody, or made by a machine (`TYPED`,
`MADE`), or when its element says that it stands as written (`<code>`, `<pre>`, a text box).
"""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

import pytest
from django.apps import apps
from django.utils.translation import trans_real

from assessments.scanner.examined import LAYOUTS
from compliance import hostile
from compliance.documents import paper
from compliance.documents.press import Sheet
from compliance.models import Document, ModelVersion
from compliance.permissions import Permission, Role
from compliance.services import account, dossier, printing
from tests import pseudo
from tests.assessments import results
from tests.crawl import crawl
from tests.furnished import furnish

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parents[2]
APPS = ("assessments", "compliance", "config", "incidents")
HEAVY = ("static", "weights", "migrations", "__pycache__")
HAS_TOOLS = all(map(shutil.which, ("xgettext", "msguniq", "msgmerge", "msgattrib")))
MESSAGE = re.compile(r'^(msgctxt|msgid|msgid_plural) ((?:".*"\n)+)', re.MULTILINE)
BLANKS = re.compile(r"%\(\w+\)s")
TEMPLATES = sorted(
    each
    for app in APPS
    for each in (ROOT / app).glob("templates/**/*.html")
    if each.name != "button.html"  # its tag's name is made by a tag
)
ROOMS = sorted(
    [*(each for app in APPS for each in (ROOT / app).glob("services/*.py"))]
    + [ROOT / "compliance" / name for name in ("actors.py", "machines.py", "audit/advance.py")]
)
# What only a mistake in the code can raise, and what a rule's author reads beside the field.
FOR_DEVELOPERS = ("ValueError(f'person {", "ValueError(f'machine {", "RuleError(")
BLOCK = re.compile(
    r"{%-? *(blocktrans(?:late)?|comment)\b.*?{% *end\1 *%}|{#.*?#}"
    r"|{% *block width_class *%}.*?{% *endblock *%}",  # a class, no words
    re.DOTALL,
)
TAG = re.compile(r"{%.*?%}|{{.*?}}", re.DOTALL)
EVERYTHING = [role for role in Role if role is not Role.RED_TEAMER]

# Columns that hold what people, models and deployments said. What the house itself writes into a
# column is not among them.
TYPED = {
    "assessments.Campaign": "name scope conclusion",
    "assessments.CampaignFinding": "title detail",
    "assessments.Finding": "prompt_id template_id content_id",
    "assessments.GateDecision": "policy policy_version",
    "assessments.PromptSuite": "name prompts reason",
    "assessments.Sae": "name hook_name architecture card declared layout location",
    "assessments.Scan": "run agreement",
    "assessments.ScanShard": "worker",
    "assessments.Waiver": "reason conditions",
    "assessments.WatchList": "name latents reason",
    "compliance.AIModel": "name base licence facts",
    "compliance.AISystem": "name intended_purpose reference",
    "compliance.ApiToken": "label prefix",
    "compliance.AuthorityQuestion": "text answer",
    "compliance.AuthorityRequest": "title authority reference legal_basis period",
    "compliance.BehaviourManifest": "tools external_tools untrusted_tools data_scopes rates",
    "compliance.Blob": "name",
    "compliance.Deployment": "key",
    "compliance.DutyOccurrence": "note",
    "compliance.FeedToken": "label",
    "compliance.LegalEntity": "name country",
    "compliance.ModelFile": "path",
    "compliance.ModelVersion": "name location origin",
    "compliance.ReleaseAuthorisation": "reasons",
    "compliance.Report": "late_reasons",
    "compliance.StandingDuty": "title cite",
    "compliance.User": "name email",
    "incidents.Alert": "rule_key",
    "incidents.Classification": "reasons reasons_by details",
    "incidents.DetectionRule": "key title",
    "incidents.Hold": "reason",
    "incidents.Event": "name operation conversation record",
    "incidents.Incident": "reference title impact",
    "incidents.Lesson": "title",
    "incidents.Note": "text",
    "incidents.PriorNotice": "authority reason",
    "incidents.Review": "summary causes",
    "incidents.Rollback": "reason",
}
# What a machine wrote for machines, and is shown so that it can be compared.
MADE = re.compile(
    r"""
    [0-9a-f]{64} | [0-9a-f]{8,}…[0-9a-f]{8,} | …[0-9a-f]{8}\b        # digests, whole and short
    | (?:[a-z]+:)?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}        # identifiers
    | \d{4}-\d\d-\d\d(?:T[\d:.]+)?Z? | \d\d:\d\dZ?                   # instants
    | [a-z0-9-]+@\d+\.\d+\.\d+                                       # a pack and its version
    | \b\d\([a-h]\)                                                 # letters of Annex IV
    | \b[a-z][a-z0-9.-]*:\d{3,}\b                                   # a process: host, number
    | strata\.local/log\+\S+ | strata\.l…\S{8}                       # the key of the log
    """,
    re.VERBOSE,
)
# Words that are the same in every language here, each for a reason.
NAMES = {
    "Strata",  # what it is called
    "SHA-256", "sha256",  # an algorithm
    "torch",  # a library
    "CET", "CEST", "PST", "PDT", "EST", "EDT", "UTC",  # zones as their people abbreviate them
    "Attested for a test.", "Switched off.",  # typed into evidence and into the log alone
    "clerk", "judge", "keeper", "printer", "scanner", "tests",  # processes sign by their own names
    results.CHECK.sentence,  # the scanner's words, as they stand in the record
    *LAYOUTS,  # formats by the names of their projects
    *available_timezones(),
    *(str(permission) for permission in Permission),  # what a token asks for, by its code
}  # fmt: skip


@pytest.fixture
def spoken() -> Iterator[pseudo.Marked]:
    with pseudo.spoken() as marked:
        yield marked


def recorded() -> set[str]:
    """Everything that stands in the columns of `TYPED`."""
    return {
        text
        for label, columns in TYPED.items()
        for row in apps.get_model(label).objects.values_list(*columns.split())
        for text in texts(row)
    }


def texts(value: Any) -> Iterator[str]:
    """The texts inside a JSON value, whole and by the line, and as pages clean them."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for each in value:
            yield from texts(each)
    elif isinstance(value, str) and pseudo.OPEN not in value:
        yield from (value, hostile.clean(value, len(value) * 8), *value.splitlines())


def untranslated(pieces: Iterable[str], known: re.Pattern[str]) -> set[str]:
    """What of these pieces is neither marked nor recorded."""
    left = (known.sub(" ", MADE.sub(" ", pseudo.unmarked(piece))) for piece in pieces)
    return {" ".join(each.split()) for each in left if pseudo.LETTER.search(each)}


def known_words() -> re.Pattern[str]:
    """A pattern of all that may stand unmarked, the longest first."""
    words = sorted({" ".join(each.split()) for each in recorded() | NAMES}, key=len, reverse=True)
    named = "|".join(re.escape(word) for word in words if word)
    return re.compile(rf"(?<!\w)(?:{named})(?!\w)")


def unheard(asked: set[str]) -> set[str]:
    """Texts that were asked for and that no catalogue could hold: neither extracted nor recorded."""
    found = asked - extracted() - recorded()
    return {each for each in found if pseudo.LETTER.search(BLANKS.sub("", each))}


@cache
def extracted() -> frozenset[str]:
    """What `makemessages` takes from a copy of the house, and what Django and allauth bring."""
    brought = {
        key if isinstance(key, str) else key[0]
        for language in ("de", "fr")
        for key, _text in trans_real.translation(language)._catalog.items()
    }
    with tempfile.TemporaryDirectory() as folder:
        for app in APPS:
            shutil.copytree(ROOT / app, Path(folder, app), ignore=shutil.ignore_patterns(*HEAVY))
        shutil.copy(ROOT / "manage.py", folder)
        command = [sys.executable, "manage.py", "makemessages", "-l", "de", "--keep-pot"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        pot = Path(folder, "compliance/locale/django.pot").read_text(encoding="utf-8")
    return frozenset({*brought, *messages(pot)})


def messages(pot: str) -> Iterator[str]:
    """The msgids of a template, plurals on their own; a context stands before its text."""
    context = ""
    for keyword, quoted in MESSAGE.findall(pot):
        text = "".join(ast.literal_eval(line) for line in quoted.split("\n") if line)
        if keyword == "msgctxt":
            context = text + trans_real.CONTEXT_SEPARATOR
        else:
            yield context + text
            context = ""


@pytest.fixture
def house(spoken, ada, bo, rae, cy):
    return furnish(ada=ada, bo=bo, rae=rae, cy=cy)


def test_every_page_speaks_through_gettext(spoken, house, client_as, root):
    client = client_as(account.make("gus@example.org", "Everybody", EVERYTHING, by=root))
    found = crawl(client, house)
    assert len(found.pages) > 50
    read = {kind: client.get(address) for kind, address in found.pages.items()}
    # What is sent empty comes back with every complaint that the form has.
    read |= {f"{kind}, sent": client.post(each, {}) for kind, each in found.pages.items()}
    known = known_words()
    bare = {
        kind: words
        for kind, answer in read.items()
        if (words := untranslated(pseudo.seen(answer.content.decode()), known))
    }
    assert bare == {}
    if HAS_TOOLS:
        assert unheard(spoken.asked) == set()


def test_every_paper_speaks_through_gettext(spoken, house, as_actor, ada):
    for version in ModelVersion.objects.all():
        dossier.assessment_report(version, by=as_actor(ada))
        dossier.annex_iv(version, by=as_actor(ada))
    known = known_words()
    sheets = {
        f"{made.title}, {made.edition}": paper.sheet(printing.edition(made))
        for made in Document.objects.all()
    }
    bare = {
        name: words
        for name, sheet in sheets.items()
        if (words := untranslated([*pseudo.seen(sheet.html), *_drawn(sheet)], known))
    }
    assert {made.what for made in Document.objects.all()} == set(paper.TEMPLATES)
    assert any(sheet.charts for sheet in sheets.values())
    assert bare == {}
    if HAS_TOOLS:
        assert unheard(spoken.asked) == set()


def _drawn(sheet: Sheet) -> list[str]:
    return [words for spec in sheet.charts for words in pseudo.drawn(json.loads(spec))]


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_template_holds_a_word_of_its_own(template):
    """Branches that no test visits are read too: as they are written, without what tags say."""
    text = template.read_text(encoding="utf-8")
    pieces = pseudo.seen(TAG.sub(" ", BLOCK.sub(" ", text)))
    assert untranslated(pieces, re.compile(r"Strata|SHA-256|sha256")) == set()


@pytest.mark.parametrize("room", ROOMS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_service_refuses_in_words_that_gettext_does_not_know(room):
    """What is raised there reaches people, on a page or as the answer to a program."""
    bare = [
        ast.unparse(node.exc)
        for node in ast.walk(ast.parse(room.read_text(encoding="utf-8")))
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and node.exc.args
        if isinstance(node.exc.args[0], ast.Constant | ast.JoinedStr)
    ]
    assert [each for each in bare if not each.startswith(FOR_DEVELOPERS)] == []
