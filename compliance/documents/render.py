"""Draw one document: HTML and charts in, one reproducible PDF with its JSON twin out.

The only module that imports WeasyPrint. It runs as a short-lived process of its own
(`python -m compliance.documents.render FOLDER`), started by `press.py`, because layout takes
memory that is not given back and hostile input can make it long. It reads and writes nothing but
that folder, the house's fonts and its style sheet; every other address is refused.

1. Put limits on memory, time and file size.
2. Draw each chart from its specification; one that names an address is refused.
3. Lay out and write the PDF, produced as PDF/A-3a, with the twin attached as its source.
4. Mend what the writer leaves out: Scope on table heads, one entry for each attached file.
"""

from __future__ import annotations

import json
import resource
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pikepdf
from weasyprint import HTML, Attachment
from weasyprint.urls import FatalURLFetchingError, URLFetcher, URLFetcherResponse

from compliance.charts import svg

VARIANT: Final = "pdf/a-3a"
BASE: Final = "https://paper.invalid/"
HERE: Final = Path(__file__).resolve().parent
STATIC: Final = HERE.parent / "static"
MEMORY_BYTES: Final = 2 << 30
CPU_SECONDS: Final = 180
FILE_BYTES: Final = 256 << 20
TYPES: Final = {
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
# PDF/UA's own identifier, and the description that PDF/A asks of a schema it does not know.
UA_XMP: Final = b"""
<rdf:Description rdf:about="" xmlns:pdfuaid="http://www.aiim.org/pdfua/ns/id/">
<pdfuaid:part>1</pdfuaid:part></rdf:Description>
<rdf:Description rdf:about="" xmlns:pdfaExtension="http://www.aiim.org/pdfa/ns/extension/"
 xmlns:pdfaSchema="http://www.aiim.org/pdfa/ns/schema#"
 xmlns:pdfaProperty="http://www.aiim.org/pdfa/ns/property#"><pdfaExtension:schemas><rdf:Bag>
<rdf:li rdf:parseType="Resource"><pdfaSchema:schema>PDF/UA identification</pdfaSchema:schema>
<pdfaSchema:namespaceURI>http://www.aiim.org/pdfua/ns/id/</pdfaSchema:namespaceURI>
<pdfaSchema:prefix>pdfuaid</pdfaSchema:prefix><pdfaSchema:property><rdf:Seq>
<rdf:li rdf:parseType="Resource"><pdfaProperty:name>part</pdfaProperty:name>
<pdfaProperty:valueType>Integer</pdfaProperty:valueType>
<pdfaProperty:category>internal</pdfaProperty:category>
<pdfaProperty:description>Part of ISO 14289</pdfaProperty:description></rdf:li></rdf:Seq>
</pdfaSchema:property></rdf:li></rdf:Bag></pdfaExtension:schemas></rdf:Description>"""


class AddressRefused(FatalURLFetchingError):  # type: ignore[misc]  # WeasyPrint ships no types
    """The document asked for something that does not belong to it."""


@dataclass(frozen=True)
class Job:
    """What is in the folder: page.html, twin.json and the charts' specifications."""

    folder: Path
    identifier: str
    twin_name: str
    twin_description: str
    made_at: datetime
    charts: tuple[str, ...]

    @classmethod
    def read(cls, folder: Path) -> Job:
        """The job as `press.py` wrote it."""
        said = json.loads((folder / "job.json").read_text(encoding="utf-8"))
        return cls(
            folder=folder,
            identifier=said["identifier"],
            twin_name=said["twin_name"],
            twin_description=said["twin_description"],
            made_at=datetime.fromisoformat(said["made_at"]),
            charts=tuple(said["charts"]),
        )


class OwnFilesOnly(URLFetcher):  # type: ignore[misc]  # WeasyPrint ships no types
    """Answers for the style sheet, the fonts and this job's charts; for nothing else."""

    def __init__(self, folder: Path) -> None:
        """The charts lie in the job's folder."""
        super().__init__()
        self._folder = folder

    def fetch(self, url: str, headers: Any = None) -> URLFetcherResponse:
        """One of our own files, by its plain name."""
        del headers
        path = self._path(url)
        if path is None or not path.is_file():
            raise AddressRefused(
                f"{url[:120]!r} does not belong to this document; it is not fetched"
            )
        return URLFetcherResponse(
            url, body=path.read_bytes(), headers={"Content-Type": TYPES[path.suffix]}
        )

    def _path(self, url: str) -> Path | None:
        place, _, name = urlsplit(url).path.strip("/").rpartition("/")
        if not url.startswith(BASE) or Path(name).name != name or Path(name).suffix not in TYPES:
            return None
        folders = {"": HERE, "fonts": STATIC / "vendor/fonts", "charts": self._folder}
        folder = folders.get(place)
        return folder / name if folder else None


def limit() -> None:
    """Memory, processor time and file size; a document that needs more is not one of ours."""
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES, FILE_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def draw_charts(job: Job) -> None:
    """Each specification as an SVG beside it."""
    for number, spec in enumerate(job.charts):
        drawn = svg.render(without_addresses(json.loads(spec)))
        (job.folder / f"{number}.svg").write_text(drawn, encoding="utf-8")


def without_addresses(spec: Any) -> Any:
    """The specification, if all its data is inside it.

    Raises:
        AddressRefused: it would fetch something.
    """
    if isinstance(spec, dict):
        if fetched := {"url", "href"} & set(spec):
            raise AddressRefused(f"a chart may not name an address; this one has {sorted(fetched)}")
        for each in spec.values():
            without_addresses(each)
    elif isinstance(spec, list):
        for each in spec:
            without_addresses(each)
    return spec


def lay_out(job: Job) -> bytes:
    """The PDF as WeasyPrint writes it."""
    source = HTML(
        string=(job.folder / "page.html").read_text(encoding="utf-8"),
        base_url=BASE,
        url_fetcher=OwnFilesOnly(job.folder),
    )
    document = source.render()
    document.metadata.attachments = [
        Attachment(
            string=(job.folder / "twin.json").read_bytes(),
            name=job.twin_name,
            description=job.twin_description,
            created=job.made_at,
            modified=job.made_at,
            relationship="Source",
        )
    ]
    written: bytes = document.write_pdf(
        pdf_variant=VARIANT, pdf_identifier=bytes.fromhex(job.identifier)
    )
    return written


def mend(path: Path, out: Path) -> None:
    """Scope on column heads, one entry for each attached file, and the bytes in a fixed order."""
    with pikepdf.open(path) as pdf:
        for element in pdf.objects:
            if isinstance(element, pikepdf.Dictionary) and element.get("/S") == "/TH":
                _give_scope(element)
        if "/AF" in pdf.Root:
            once = {each.objgen: each for each in pdf.Root.AF}
            pdf.Root.AF = pikepdf.Array(list(once.values()))
        _say_ua(pdf)
        pdf.save(out, deterministic_id=True, object_stream_mode=pikepdf.ObjectStreamMode.generate)


def _say_ua(pdf: pikepdf.Pdf) -> None:
    """PDF/UA's identifier in the same packet as PDF/A's: WeasyPrint writes one of the two."""
    packet = pdf.Root.Metadata.read_bytes()
    head, end, tail = packet.rpartition(b"</rdf:RDF>")
    pdf.Root.Metadata.write(head + UA_XMP + end + tail, filter=None)


def _give_scope(head: pikepdf.Dictionary) -> None:
    said = head.get("/A", pikepdf.Array())
    attributes = list(said) if isinstance(said, pikepdf.Array) else [said]
    if not any("/Scope" in each for each in attributes):
        scope = pikepdf.Dictionary(O=pikepdf.Name.Table, Scope=pikepdf.Name.Column)
        head["/A"] = pikepdf.Array([*attributes, scope])


def main(arguments: list[str]) -> None:
    """Read the folder named on the command line, leave `paper.pdf` in it."""
    limit()
    job = Job.read(Path(arguments[0]))
    draw_charts(job)
    draft = job.folder / "draft.pdf"
    draft.write_bytes(lay_out(job))
    mend(draft, job.folder / "paper.pdf")


if __name__ == "__main__":
    main(sys.argv[1:])
