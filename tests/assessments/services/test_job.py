"""What the scanner is asked: the very same by every worker, from what was pinned."""

import pytest

from assessments.models import Sae
from assessments.services import job
from tests.assessments.results import request_scan
from tests.factories import make_version

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("architecture", "n"),
    [("jumprelu", 8), ("standard", 8), ("gated", 8), ("topk", 0), ("abstopk", 0), ("groupmax", 0)],
)
def test_controls_are_read_where_that_costs_their_own_columns_alone(architecture, n):
    asked = request_scan(make_version())
    Sae.objects.update(architecture=architecture)
    asked.sae.refresh_from_db()
    assert job.of(asked).n_controls == n
    assert job.of(asked) == job.of(asked)
