"""The first floor's calls: libraries of instruments, scans and what they found, the gate."""

from ninja import Router

from assessments.api.gate import router as gate
from assessments.api.instruments import router as instruments
from assessments.api.results import router as results
from assessments.api.scans import router as scans

router = Router(tags=["assessments"])
for _each in (instruments, scans, results, gate):
    router.add_router("", _each)
