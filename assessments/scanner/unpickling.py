"""Bring published pickled weights over, once: tensors as safetensors, the rest as JSON.

The one way by which a pickle comes in. It is opened by a child process only, `unpickling_child`:
without network, under limits, in a bare environment and a folder of its own. What the child hands
back is looked at as if a stranger had made it, and appears by one rename:

    weights.safetensors   every tensor under its name; names of nested ones are joined by dots
    converted.json        schema, layout, source_files, values and config, as in `Converted`
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assessments.scanner import unpickling_child as child
from assessments.scanner.contract import Plain, ScanFailed
from assessments.scanner.digests import file_sha256
from assessments.scanner.store import open_store
from assessments.scanner.text import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMA = "strata.converted/1"
RECORD = "converted.json"
PICKLED = {".pt", ".pth", ".bin"}
CONFIGS = ("config.json", "cfg.json")
MOST_JSON = 8 << 20
MOST_SAID = 4096
MEBIBYTE = 1 << 20
CPU_SECONDS = 120
"""Of processor time, before the size of the file is counted."""
MEBIBYTES_A_SECOND = 20
SLOWEST = 4
"""Seconds by the clock for each second of processor time."""
GROWTH = 4
"""So many times the size of the file may be written; tensors may share their bytes."""


@dataclass(frozen=True)
class Converted(Plain):
    """What lies in converted.json."""

    schema: str
    layout: str
    """Which published layout it was; see `LAYOUTS`."""
    source_files: dict[str, str]
    """The digest of each file it was made from."""
    values: dict[str, Any]
    """Numbers, texts, booleans and lists of those, by the dotted path of their keys."""
    config: dict[str, Any]
    """What lay beside as config.json or cfg.json; empty where nothing did."""


@dataclass(frozen=True)
class Signature:
    """By what a published layout is known."""

    layout: str
    names: frozenset[str]
    """Tensors and values that must all be there."""
    optional: frozenset[str] = frozenset()
    """Those that may be there; no others may."""
    rows: str = ""
    """The weight that has one row a latent, where names alone do not tell: `W_enc` or `W_dec`."""


def signature(layout: str, names: str, optional: str = "", rows: str = "") -> Signature:
    """A signature with names as one line of words."""
    return Signature(layout, frozenset(names.split()), frozenset(optional.split()), rows)


LINEAR = "encoder.weight encoder.bias decoder.weight"
PLAIN = "W_enc b_enc W_dec b_dec"
SIGNATURES = (
    signature(
        "openai_v5",
        "pre_bias encoder.weight latent_bias decoder.weight",
        "activation activation_state_dict.k activation_state_dict.postact_fn stats_last_nonzero "
        "latents_activation_frequency latents_mean_square",
    ),
    signature("dictionary_learning", f"{LINEAR} bias"),
    signature("dictionary_learning", f"{LINEAR} decoder.bias"),
    signature(
        "dictionary_learning",
        "encoder.weight decoder.weight decoder_bias r_mag gate_bias mag_bias",
    ),
    signature("dictionary_learning", f"{LINEAR} b_dec k", "threshold"),
    signature("dictionary_learning", f"{PLAIN} k group_sizes", "threshold"),
    signature("dictionary_learning", f"{PLAIN} threshold", rows="W_dec"),
    signature(
        "goodfire",
        "encoder_linear.weight encoder_linear.bias decoder_linear.weight decoder_linear.bias",
    ),
    signature("goodfire", "W b_enc b_dec"),
    signature("qwen_scope", PLAIN, rows="W_enc"),
)
LAYOUTS = tuple(dict.fromkeys(each.layout for each in SIGNATURES))
"""The published layouts that are pickled."""


def convert(source: Path, out: Path, *, layout: str = "", network_waived: bool = False) -> Path:
    """Bring one pickled file over into the folder `out`, which must not be there yet.

    Args:
        source: a .pt, .pth or .bin file, or a folder with one; its config.json or cfg.json comes
            along.
        out: appears whole or not at all.
        layout: what it is, one of `LAYOUTS`; empty: what its tensors' names say.
        network_waived: go on where the kernel lets no process leave the network.

    Raises:
        ScanFailed: it is not what it should be; nothing in it was run.
    """
    if layout and layout not in LAYOUTS:
        message = f"no pickled layout is called {layout!r}; known: {', '.join(LAYOUTS)}"
        raise ScanFailed(message, permanent=True)
    if os.path.lexists(out):
        raise ScanFailed(f"{out} is already there; name a folder that is not", permanent=True)
    source = pickled_file(source)
    config_file = beside(source)
    config = read_json(config_file) if config_file else {}
    files = {each.name: file_sha256(each) for each in (source, config_file) if each}
    before = stamp(source)
    out.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        run_child(source, work, network_waived=network_waived)
        if stamp(source) != before:
            message = f"{source.name} was changed while it was read; try again"
            raise ScanFailed(message, permanent=False)
        made = taken_over(source.name, work)
        values = read_json(work / child.VALUES)
        shapes = open_store(made / child.WEIGHTS).shapes()
        known = layout or guessed(source.name, shapes, values, config)
        record = Converted(SCHEMA, known, files, values, config).to_json()
        text = json.dumps(record, indent=1, sort_keys=True, allow_nan=False)
        (made / RECORD).write_text(text + "\n", encoding="utf-8")
        os.rename(made, out)  # noqa: PTH104  # Path.rename may fall back to copying.
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return out


def pickled_file(path: Path) -> Path:
    """The file itself, or the only one in a folder.

    Raises:
        ScanFailed: there is none, there are several, or it is a link to outside.
    """
    if path.is_dir():
        found = sorted(each for each in path.iterdir() if each.suffix.lower() in PICKLED)
        if len(found) != 1:
            names = ", ".join(shown(each.name) for each in found[:5]) or "none"
            message = f"{path}: expected one of {sorted(PICKLED)} in it, came {names}; name a file"
            raise ScanFailed(message, permanent=True)
        path = found[0]
    if path.suffix.lower() not in PICKLED:
        message = f"{path.name}: expected a file that ends in {', '.join(sorted(PICKLED))}"
        raise ScanFailed(message, permanent=True)
    return real_file(path)


def real_file(path: Path) -> Path:
    """The path of a plain file, where it really lies: in the folder in which it seems to.

    Raises:
        ScanFailed: it is a link out of its folder, or no plain file.
    """
    folder, real = path.parent.resolve(), path.resolve()
    if not real.is_relative_to(folder):
        message = f"{path}: is a link out of its folder, to {real}; put the file itself there"
        raise ScanFailed(message, permanent=True)
    if not real.is_file():
        raise ScanFailed(f"{path}: expected a file, there is none", permanent=True)
    return real


def beside(source: Path) -> Path | None:
    """The configuration beside a file of weights, where there is one."""
    found = [source.with_name(name) for name in CONFIGS if os.path.lexists(source.with_name(name))]
    return real_file(found[0]) if found else None


def stamp(path: Path) -> tuple[int, ...]:
    """By what a file is known to be the same, without reading it."""
    found = path.stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object, not too long.

    Raises:
        ScanFailed: it is anything else.
    """
    try:
        with path.open("rb") as stream:
            text = stream.read(MOST_JSON + 1)
        found = json.loads(text, parse_constant=not_a_number) if len(text) <= MOST_JSON else None
    except (OSError, ValueError, RecursionError) as error:
        raise ScanFailed(f"{path.name}: expected JSON: {error}", permanent=True) from error
    if not isinstance(found, dict):
        message = f"{path.name}: expected a JSON object of at most {MOST_JSON} bytes"
        raise ScanFailed(message, permanent=True)
    return found


def not_a_number(name: str) -> float:
    """Refuse NaN and the infinities, which are no JSON."""
    raise ValueError(f"{name} is no number")


def run_child(source: Path, work: Path, *, network_waived: bool) -> None:
    """Let the child read the file; it leaves what it made in `work`.

    Raises:
        ScanFailed: it refused the file, or did not come back.
    """
    size = source.stat().st_size
    seconds = CPU_SECONDS + size // (MEBIBYTES_A_SECOND * MEBIBYTE)
    task = {
        "source": str(source.resolve()),
        "network_waived": network_waived,
        "cpu_seconds": seconds,
        "written_bytes": GROWTH * size + MEBIBYTE,
    }
    (work / "task.json").write_text(json.dumps(task), encoding="utf-8")
    (work / "tmp").mkdir()
    with (work / "said").open("wb") as said, (work / "complaints").open("wb") as complaints:
        process = subprocess.Popen(
            [sys.executable, "-I", "-B", str(Path(child.__file__).resolve()), "task.json"],
            cwd=work,
            env=bare_environment(work),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=complaints,
            start_new_session=True,
        )
        try:
            status = process.wait(SLOWEST * seconds)
        except subprocess.TimeoutExpired:
            status = -signal.SIGKILL
        finally:
            end(process)
    if status:
        raise ScanFailed(f"{source.name}: {complaint(work, status)}", permanent=True)


def end(process: subprocess.Popen[bytes]) -> None:
    """Leave no child behind."""
    if process.poll() is None:
        process.kill()
        process.wait()


def bare_environment(work: Path) -> Mapping[str, str]:
    """What the child is told of the world."""
    return {
        "PATH": os.defpath, "LANG": "C.UTF-8", "HOME": str(work), "TMPDIR": str(work / "tmp"),
        "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
    }  # fmt: skip


def complaint(work: Path, status: int) -> str:
    """Why the child did not bring the file over."""
    if status == child.REFUSED:
        return beginning(work / "said")
    if status in (-signal.SIGKILL, -signal.SIGXCPU):
        return "refused: reading it took more time or memory than a file of its size should"
    last = beginning(work / "complaints", from_end=True)
    return f"refused: reading it ended with status {status}. {last}".strip()


def beginning(path: Path, *, from_end: bool = False) -> str:
    """A few words somebody else wrote, fit to be shown."""
    with path.open("rb") as stream:
        if from_end:
            stream.seek(max(0, path.stat().st_size - MOST_SAID))
        words = stream.read(MOST_SAID).decode("ascii", errors="replace").split()
    return shown(" ".join(words[-40:] if from_end else words), 1000)


def taken_over(name: str, work: Path) -> Path:
    """A fresh folder with the weights the child wrote, if they are a plain file.

    Raises:
        ScanFailed: they are not there, or are something else.
    """
    written = work / child.WEIGHTS
    for each in (written, work / child.VALUES):
        if each.is_symlink() or not each.is_file():
            message = f"{name}: expected {each.name} from the child, there is no such file"
            raise ScanFailed(message, permanent=True)
    made = work / "made"
    made.mkdir()
    written.rename(made / child.WEIGHTS)
    return made


def guessed(
    name: str,
    shapes: Mapping[str, tuple[int, ...]],
    values: Mapping[str, Any],
    config: Mapping[str, Any],
) -> str:
    """The layout that the names, and where they do not tell the shapes, speak of.

    Raises:
        ScanFailed: none fits, or several.
    """
    if isinstance(trainer := config.get("trainer"), dict) and "dict_class" in trainer:
        return "dictionary_learning"
    names = set(shapes) | set(values)
    fitting = sorted({each.layout for each in SIGNATURES if fits(each, names, shapes)})
    if len(fitting) == 1:
        return fitting[0]
    what = f"fits {', '.join(fitting)}" if fitting else "is surely of no known layout"
    raise ScanFailed(
        f"{name}: what is in it, {', '.join(sorted(names)[:12])}, {what}; say which with --layout: "
        f"{', '.join(LAYOUTS)}",
        permanent=True,
    )


def fits(each: Signature, names: set[str], shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Whether all names of a signature are there, none besides, and the right way round."""
    if not each.names <= names <= each.names | each.optional:
        return False
    if not each.rows:
        return True
    n_latents, width = shapes["b_enc"], shapes["b_dec"]
    (other,) = {"W_enc", "W_dec"} - {each.rows}
    is_so = (shapes[each.rows], shapes[other]) == (n_latents + width, width + n_latents)
    return is_so and n_latents != width
