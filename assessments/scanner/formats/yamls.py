"""Settings in YAML: plain values alone, without aliases, which can unfold to gigabytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from assessments.scanner.contract import ScanFailed
from assessments.scanner.formats.config import Config

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES = 1 << 17


class Loader(yaml.SafeLoader):
    """YAML's plain types; no aliases, no doubled keys."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """One node."""
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases (*name) are not read; write the value out")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002  # PyYAML's own signature.
        """One mapping; of a key that comes twice, readers would take different values."""
        found = super().construct_mapping(node, deep=deep)
        if len(found) != len(node.value):
            raise yaml.YAMLError("expected each key once, one came twice")
        return found


def read(path: Path) -> Config:
    """The mapping a file holds.

    Raises:
        ScanFailed: the file cannot be read, is very long, or holds something else.
    """
    where = f"{path.parent.name}/{path.name}"
    try:
        with path.open("rb") as stream:
            blob = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise ScanFailed(f"{where} could not be read: {error}", permanent=True) from error
    if len(blob) > MAX_BYTES:
        raise ScanFailed(f"{where}: expected at most {MAX_BYTES} bytes, came more", permanent=True)
    try:
        raw = yaml.load(blob, Loader=Loader)  # noqa: S506  # It is a SafeLoader.
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        problem = ascii(str(error))[1:121]  # It quotes the file.
        raise ScanFailed(f"{where}: expected YAML: {problem}", permanent=True) from error
    if not isinstance(raw, dict) or not all(isinstance(key, str) for key in raw):
        raise ScanFailed(f"{where}: expected a mapping of texts to values", permanent=True)
    return Config(where, raw)
