"""The press: nothing fetched, limits kept, the same bytes twice, the marks of accessible paper."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime

import pytest

pikepdf = pytest.importorskip("pikepdf")
pytest.importorskip("weasyprint")

from compliance.charts.spec import Bar, bars
from compliance.documents import press
from compliance.documents.press import NotPrinted, Sheet

PAGE = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>A paper</title>
<link rel="stylesheet" href="document.css"></head><body><h1>A paper</h1>
<table><caption>Figures</caption><thead><tr><th scope="col">A</th></tr></thead>
<tbody><tr><td>1</td></tr></tbody></table>{more}</body></html>"""
TWIN = b'{"a":1}'
FROZEN = datetime(2026, 8, 2, 12, tzinfo=UTC)


def sheet(more: str = "", *charts: str) -> Sheet:
    return Sheet(PAGE.replace("{more}", more), TWIN, "paper-1", FROZEN, charts)


@pytest.fixture(scope="module")
def printed() -> bytes:
    chart = bars([Bar("cyber", 3.0, 2.0, 4.0)], title="Hits", unit="%")
    return press.pdf(sheet('<img src="charts/0.svg" alt="Hits">', json.dumps(chart.spec)))


def test_the_same_sheet_gives_the_same_bytes() -> None:
    assert press.pdf(sheet()) == press.pdf(sheet())


def test_it_says_what_it_was_produced_as(printed: bytes) -> None:
    with pikepdf.open(io.BytesIO(printed)) as pdf:
        packet = pdf.Root.Metadata.read_bytes().decode()
        assert 'pdfaid:part="3"' in packet
        assert 'pdfaid:conformance="A"' in packet
        assert "<pdfuaid:part>1</pdfuaid:part>" in packet
        assert packet.count("</rdf:RDF>") == 1
        assert pdf.Root.MarkInfo.Marked
        assert pdf.Root.Lang == "en"
        assert "/OutputIntents" in pdf.Root


def test_the_twin_is_attached_once_byte_for_byte(printed: bytes) -> None:
    with pikepdf.open(io.BytesIO(printed)) as pdf:
        assert len(pdf.Root.AF) == 1
        assert pdf.Root.AF[0].AFRelationship == "/Source"
        assert pdf.attachments["paper-1.json"].get_file().read_bytes() == TWIN


def test_heads_of_tables_have_their_scope(printed: bytes) -> None:
    with pikepdf.open(io.BytesIO(printed)) as pdf:
        heads = [
            each
            for each in pdf.objects
            if isinstance(each, pikepdf.Dictionary) and each.get("/S") == "/TH"
        ]
        assert heads
        assert all(any(part.get("/Scope") == "/Column" for part in head["/A"]) for head in heads)


def test_every_font_is_embedded(printed: bytes) -> None:
    with pikepdf.open(io.BytesIO(printed)) as pdf:
        described = [
            each
            for each in pdf.objects
            if isinstance(each, pikepdf.Dictionary) and each.get("/Type") == "/FontDescriptor"
        ]
        assert described
        assert all({"/FontFile2", "/FontFile3"} & set(each.keys()) for each in described)


@pytest.mark.parametrize(
    "address",
    [
        "file:///etc/passwd",
        "http://127.0.0.1:1/",
        "https://example.org/x.svg",
        "https://paper.invalid/../../etc/passwd.svg",
        "https://paper.invalid/charts/..%2f..%2fetc%2fpasswd.svg",
        "charts/job.json",
        "charts/7.svg",
    ],
)
def test_nothing_that_is_not_its_own_is_fetched(address: str) -> None:
    with pytest.raises(NotPrinted) as caught:
        press.pdf(sheet(f'<img src="{address}" alt="x">'))
    assert caught.value.permanent


def test_a_chart_that_names_an_address_is_refused() -> None:
    spec = {"data": {"url": "file:///etc/passwd"}, "mark": "bar", "encoding": {}}
    with pytest.raises(NotPrinted, match="may not name an address"):
        press.pdf(sheet('<img src="charts/0.svg" alt="x">', json.dumps(spec)))


def test_what_takes_too_long_is_stopped() -> None:
    with pytest.raises(NotPrinted, match="took longer"):
        press.pdf(sheet(), seconds=0.05)
