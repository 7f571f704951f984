"""Each figure has an address on the page of the method, and whoever cites it cites one that is there."""

import re
from pathlib import Path

import pytest
from django.urls import reverse

from assessments.policies import load

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parents[3]
CITED = re.compile(r"""url ['"]assessments:methodology['"] %}#([\w-]+)""")
METRICS = {
    "agreement", "calibration", "controls", "coverage", "cross-entropy", "dead-latents", "discovery",
    "effect", "error-share", "fvu", "hit", "interval", "l0", "max-t", "p", "paired-test",
    "precision", "q", "ratio", "recall", "rewording", "self-check", "smallest-ratio", "strength",
    "text-interval", "transfer", "trust", "unusable",
}  # fmt: skip


@pytest.fixture
def page(client_as, cy):
    return client_as(cy).get(reverse("assessments:methodology")).content.decode()


def anchors(page):
    return re.findall(r'\sid="([\w-]+)"', page)


def test_every_metric_has_an_address_of_its_own(page):
    found = anchors(page)
    assert set(found) >= METRICS | {"limits", "references", "criteria", "gate"}
    assert len(found) == len(set(found))


def test_whoever_cites_the_method_cites_what_is_there(page):
    cited = {
        (path.name, anchor)
        for app in ("assessments", "compliance", "incidents", "config")
        for path in (ROOT / app).glob("templates/**/*.html")
        for anchor in CITED.findall(path.read_text())
    }
    assert len(cited) > 4
    assert {each for each in cited if each[1] not in anchors(page)} == set()


def test_links_within_the_page_lead_somewhere(page):
    links = set(re.findall(r'href="#([\w-]+)"', page))
    assert links - set(anchors(page)) == set()


def test_formulas_are_read_aloud_where_mathml_is_not(page):
    formulas = re.findall(r"<math[^>]*>", page)
    assert len(formulas) > 20
    assert all('alttext="' in each for each in formulas)


def test_the_figures_of_the_criteria_stand_there(page):
    criteria = load.scan_criteria()
    assert criteria.version in page
    assert f"at least {criteria.least_recall:.0%}".replace("%", "\u202f%") in page


def test_only_papers_that_were_looked_up_are_cited(page):
    assert sorted(re.findall(r"arXiv:(\d{4}\.\d{5})", page)) == [
        "2501.17727", "2502.03407", "2505.14617", "2505.23836", "2507.01786", "2509.20393",
        "2510.20487",
    ]  # fmt: skip
