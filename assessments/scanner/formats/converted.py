"""What `convert` makes of pickled files: weights.safetensors, and converted.json with the rest.

    {"schema": "strata.converted/1",
     "layout": "openai_v5",
     "source_files": {"8.pt": "<sha256>"},
     "values": {"activation_state_dict.k": 32},    what was no tensor, by dotted key
     "config": {}}                                 the config.json or cfg.json that lay beside

Tensors keep their names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from assessments.scanner.contract import ScanFailed
from assessments.scanner.formats import config
from assessments.scanner.store import open_store

if TYPE_CHECKING:
    from pathlib import Path

    from assessments.scanner.formats.config import Config
    from assessments.scanner.store import Store

SCHEMA = "strata.converted/1"
RECORD = "converted.json"
WEIGHTS = "weights.safetensors"


@dataclass(frozen=True)
class Converted:
    """A pickled autoencoder, brought over."""

    store: Store
    values: Config
    config: Config
    """Empty where none lay beside."""
    source_files: tuple[str, ...]


def holds(path: Path, layout: str) -> bool:
    """Whether the folder is a conversion of that layout.

    Raises:
        ScanFailed: there is a record, and it is not one of ours.
    """
    if not (path / RECORD).is_file() or not (path / WEIGHTS).is_file():
        return False
    return record(path).text("layout") == layout


def files(path: Path) -> tuple[Path, ...]:
    """The files that make the autoencoder."""
    return (path / RECORD, path / WEIGHTS)


def read(path: Path) -> Converted:
    """The tensors and what was said beside them."""
    said = record(path)
    sources = said.section("source_files").raw
    return Converted(
        open_store(path / WEIGHTS), said.section("values"), said.section("config"), tuple(sources)
    )


def record(path: Path) -> Config:
    """The record, if it is of the schema that is known."""
    said = config.read(path / RECORD)
    if (schema := said.text("schema")) != SCHEMA:
        raise ScanFailed(
            f"{said.where}: expected schema {SCHEMA!r}, came {ascii(schema)[:60]}; convert again",
            permanent=True,
        )
    return said
