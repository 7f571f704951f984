"""The child of `unpickling`: it writes the tensors of one pickled file out plainly, and ends.

It is run by path, `python -I unpickling_child.py TASK`, and needs nothing of the project. Whoever
pickled the file is taken to be hostile.

1. Leave the network, and put limits on memory, time, files and processes.
2. Look at the archive and at the names in its pickle, without unpickling: what torch's own writer
   would not have written is refused.
3. Only then have torch read it, as weights alone.
4. Write each tensor by pieces, found finite, and the other values as JSON.

What is refused is said on the standard output in one line; the exit status is then 3.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import json
import math
import os
import pickletools
import re
import resource
import stat
import struct
import sys
import warnings
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor

WEIGHTS = "weights.safetensors"
VALUES = "values.json"
REFUSED = 3
"""The exit status."""

NEW_USER, NEW_NET = 0x10000000, 0x40000000
NO_NEW_PRIVILEGES, DIE_WITH_PARENT = 38, 1
BEFORE_TORCH = 1 << 30
"""Bytes of memory while the archive is looked at."""
ROOM = 1 << 30
"""Bytes of memory on top of torch and the file itself."""
TORCH_ROOM = 8 << 30
"""Where the kernel does not say how much torch takes."""
MOST_FILES = 64

MOST_MEMBERS = 100_000
MOST_PICKLE = 16 << 20
MOST_ENTRIES = 100_000
MOST_TEXT = 1 << 16
DEEPEST = 8
PIECE = 1 << 22
"""Numbers that are held at once."""
NAME = re.compile(r"[\w.\-/]{1,256}", re.ASCII)
SYMLINK = stat.S_IFLNK

STORAGES = (
    "Double", "Float", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool", "Untyped"
)  # fmt: skip
HARMLESS = {
    "collections.OrderedDict",
    "torch._utils._rebuild_tensor",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_parameter",
    "torch.Size",
    "torch.device",
    *(f"torch.{each}Storage" for each in STORAGES),
    "torch.storage.UntypedStorage",
    *(f"torch.{each}" for each in ("float64", "float32", "float16", "bfloat16")),
    *(f"torch.{each}" for each in ("int64", "int32", "int16", "int8", "uint8", "bool")),
}
"""All that a file of plain tensors names; torch's own list is longer."""
NAMELESS = {"STACK_GLOBAL", "INST", "OBJ", "EXT1", "EXT2", "EXT4", "NEWOBJ_EX"}
"""Ways to name code that torch's writer does not use."""
FORBIDDEN = (
    "socket.", "subprocess.", "pty.", "os.system", "os.exec", "os.fork", "os.posix_spawn",
    "os.spawn", "os.startfile", "os.chmod", "os.chown", "os.link", "os.symlink", "os.remove",
    "os.rename", "os.rmdir", "shutil.", "webbrowser.", "ftplib.", "urllib.",
)  # fmt: skip

FILTERS = {
    "x86_64": (0xC000003E, (41, 42, 53, 56, 57, 58, 59, 101, 311, 321, 322, 425, 435)),
    "aarch64": (0xC00000B7, (117, 198, 199, 203, 220, 221, 271, 280, 281, 425, 435)),
}
"""Per machine its number in audits, and the system calls that would open a socket, start a thread,
a process or a program, or reach into another: socket, connect, socketpair, clone, fork, vfork,
execve, ptrace, process_vm_writev, bpf, execveat, io_uring_setup, clone3."""
SET_SECCOMP, BY_FILTER = 22, 2
LOAD, EQUAL, AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06
DENY, ALLOW = 0x00050001, 0x7FFF0000
OTHER_TABLE = 0x40000000
"""System calls from here on are the same ones under other numbers."""
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Refused(Exception):  # It is an answer, not an error.
    """The file is not brought over; the message says why and what to do."""


def leave_network(unshare: Callable[[int], int], *, waived: bool) -> None:
    """Move into a network of one's own, with nothing in it.

    Raises:
        Refused: the kernel does not allow it, and it was not waived.
    """
    before = network()
    granted = any(unshare(flags) == 0 for flags in (NEW_USER | NEW_NET, NEW_NET))
    if not waived and (not granted or network() == before):
        raise Refused(
            "this machine lets no process leave the network (unshare was refused), so nothing is "
            "unpickled here; convert on another machine, or say --without-network-isolation"
        )


def network() -> str:
    """Which network this process is in; empty where the kernel does not say."""
    try:
        return os.readlink("/proc/self/ns/net")  # noqa: PTH115  # It names no path.
    except OSError:
        return ""


def unshare(flags: int) -> int:
    """The system call of that name: 0 where it was granted."""
    call = getattr(ctypes.CDLL(None, use_errno=True), "unshare", None)
    return -1 if call is None else int(call(flags))


def prctl(wish: int, *arguments: Any) -> None:
    """The system call of that name, where there is one."""
    call = getattr(ctypes.CDLL(None), "prctl", None)
    if call is not None:
        call(wish, *arguments, *[ctypes.c_ulong(0)] * (4 - len(arguments)))


def hold_back() -> None:
    """Gain no rights, and end with whoever started this."""
    prctl(NO_NEW_PRIVILEGES, ctypes.c_ulong(1))
    prctl(DIE_WITH_PARENT, ctypes.c_ulong(9))


def limit(kind: int, most: int) -> None:
    """Set a limit, never above one that is already there."""
    _, hard = resource.getrlimit(kind)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(kind, (most, most))


def limit_memory_loosely(most: int) -> None:
    """A limit that may be moved later."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = {most, hard} - {resource.RLIM_INFINITY}
    resource.setrlimit(resource.RLIMIT_AS, (min(wanted, default=hard), hard))


def taken() -> int:
    """Bytes of address space in use."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except OSError:
        return TORCH_ROOM
    return pages * resource.getpagesize()


def forbid(event: str, said: tuple[Any, ...]) -> None:
    """Hear of what Python is about to do, and stop what reading weights never needs."""
    writes = event == "open" and said[2] & WRITES and said[0] not in {WEIGHTS, VALUES}
    if writes or event.startswith(FORBIDDEN):
        raise Refused(f"the file made Python try {event}; it was stopped")


class Program(ctypes.Structure):
    """What the kernel is handed: how many steps, and where they lie."""

    _fields_ = (("n_steps", ctypes.c_ushort), ("steps", ctypes.c_void_p))


def filtered(machine: int, calls: tuple[int, ...]) -> bytes:
    """Steps of a filter that denies some system calls, and all of another kind of machine."""
    deny = len(calls) + 5  # The last step; the one before it allows.
    steps = [
        (LOAD, 0, 0, 4),
        (EQUAL, 0, deny - 2, machine),
        (LOAD, 0, 0, 0),
        (AT_LEAST, deny - 4, 0, OTHER_TABLE),
        *((EQUAL, deny - at - 1, 0, call) for at, call in enumerate(calls, start=4)),
        (RETURN, 0, 0, ALLOW),
        (RETURN, 0, 0, DENY),
    ]
    return b"".join(struct.pack("=HBBI", *each) for each in steps)


def deny_calls() -> None:
    """No socket, thread, process or program any more, whoever asks; where the kernel can do it."""
    if os.uname().machine not in FILTERS:
        return
    steps = filtered(*FILTERS[os.uname().machine])
    kept = ctypes.create_string_buffer(steps, len(steps))
    program = Program(len(steps) // 8, ctypes.cast(kept, ctypes.c_void_p))
    prctl(SET_SECCOMP, ctypes.c_ulong(BY_FILTER), ctypes.byref(program))


def look(path: Path) -> None:
    """Refuse an archive that torch's writer would not have written; nothing is unpickled.

    Raises:
        Refused: says what was expected and what came.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            look_at_pickle(archive, check_members(archive.infolist(), path.stat().st_size))
    except zipfile.BadZipFile as error:
        raise Refused(
            "expected a file as torch.save has written it since version 1.6, a zip archive; it is "
            f"another kind, or was cut short ({error}). Save it anew with a recent torch"
        ) from error


def check_members(members: list[zipfile.ZipInfo], size: int) -> zipfile.ZipInfo:
    """The member that holds the pickle, once all of them are found plain."""
    if len(members) > MOST_MEMBERS:
        raise Refused(f"expected at most {MOST_MEMBERS} members, came {len(members)}")
    for each in members:
        check_member(each)
    if len({each.filename for each in members}) != len(members):
        raise Refused("expected each member once, one came twice")
    if (told := sum(each.file_size for each in members)) > size:
        raise Refused(f"the members claim {told} bytes, the file has {size}")
    pickles = [each for each in members if re.fullmatch(r"[^/]+/data\.pkl", each.filename)]
    if len(pickles) != 1 or any("/code/" in each.filename for each in members):
        raise Refused("expected an archive of weights with one data.pkl; it is another kind")
    if pickles[0].file_size > MOST_PICKLE:
        raise Refused(
            f"expected a pickle of at most {MOST_PICKLE} bytes, came {pickles[0].file_size}"
        )
    return pickles[0]


def check_member(member: zipfile.ZipInfo) -> None:
    """One member: stored as it is, under a plain name, and no link."""
    name = member.filename
    parts = name.split("/")
    if name.startswith("/") or "\\" in name or ".." in parts or not name.isprintable():
        raise Refused(f"expected plain names in the archive, came {name[:80]!a}")
    if stat.S_IFMT(member.external_attr >> 16) == SYMLINK:
        raise Refused(f"{name[:80]!a} is a link; links are not followed")
    if member.compress_type != zipfile.ZIP_STORED or member.compress_size != member.file_size:
        raise Refused(
            f"{name[:80]!a} is packed: {member.compress_size} bytes would become "
            f"{member.file_size}; torch stores members as they are"
        )
    if member.flag_bits & 1:
        raise Refused(f"{name[:80]!a} is encrypted")


def look_at_pickle(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    """Read what the pickle names, by its opcodes alone."""
    try:
        names = set(named(archive.read(member)))
    except (ValueError, IndexError, EOFError, struct.error) as error:
        raise Refused(f"data.pkl is no pickle, or was cut short: {clean(error)}") from error
    if strange := sorted(names - HARMLESS):
        raise Refused(
            f"the pickle names {', '.join(map(ascii, strange[:5]))}: code, or more than tensors. "
            "Nothing of it was run; ask its makers for safetensors, or save the tensors alone"
        )


def named(pickled: bytes) -> Iterator[str]:
    """Every name of code in a pickle."""
    for opcode, argument, _ in pickletools.genops(io.BytesIO(pickled)):
        if opcode.name == "GLOBAL":
            yield str(argument).replace(" ", ".")[:200]
        elif opcode.name in NAMELESS:
            yield f"<{opcode.name}>"


def entries(found: Any) -> Iterator[tuple[str, Any]]:
    """Everything that is no dict, by the dotted path of its keys.

    Raises:
        Refused: it is too deep, too much, or a name is not plain.
    """
    if not isinstance(found, dict):
        raise Refused(f"expected tensors by name, came {type(found).__name__}")
    waiting: list[tuple[str, Any, int]] = [("", found, 0)]
    n_seen = 0
    while waiting:
        name, value, depth = waiting.pop()
        n_seen += 1
        if depth > DEEPEST or n_seen > MOST_ENTRIES:
            raise Refused(f"expected {MOST_ENTRIES} entries and {DEEPEST} levels at most")
        if not isinstance(value, dict) and not holds_tensors(value):
            yield name, value
            continue
        inner = value.items() if isinstance(value, dict) else enumerate(value)
        for key, each in inner:
            waiting.append((joined(name, key), each, depth + 1))


def holds_tensors(value: Any) -> bool:
    """Whether it is a list of tensors, which are then named by their place."""
    return (
        isinstance(value, list | tuple)
        and bool(value)
        and all(type(each).__name__ in {"Tensor", "Parameter"} for each in value)
    )


def joined(name: str, key: Any) -> str:
    """The dotted path to one entry."""
    if not isinstance(key, str | int):
        raise Refused(f"expected names as keys, came {type(key).__name__}")
    path = f"{name}.{key}" if name else str(key)
    if NAME.fullmatch(path) is None or ".." in path or path.startswith("/"):
        raise Refused(f"expected a plain name, came {path[:80]!a}")
    return path


def parted(found: Any) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors on one side, other values on the other."""
    import torch

    tensors: dict[str, Tensor] = {}
    values: dict[str, Any] = {}
    left = iter(range(MOST_ENTRIES))
    for name, value in entries(found):
        if name in tensors or name in values:
            raise Refused(f"two entries would both be called {name}")
        if isinstance(value, torch.Tensor):
            tensors[name] = checked(name, value)
        elif value is not None:
            values[name] = plain(name, value, left)
    if not tensors:
        raise Refused("there is no tensor in it")
    return dict(sorted(tensors.items())), dict(sorted(values.items()))


def plain(name: str, value: Any, left: Iterator[int]) -> Any:
    """A number, a text, a boolean, or a list of those.

    Args:
        name: what it is called, for messages.
        value: what was unpickled. A list may stand in many others, and so be far larger than what
            it was made from.
        left: is asked once for each entry, and ends when there are too many.

    Raises:
        Refused: it is anything else.
    """
    kind = type(value)
    if next(left, None) is None:
        raise Refused(f"{name}: expected {MOST_ENTRIES} entries at most")
    if kind in (bool, int) and abs(value) < 2**63:
        return value
    if (kind is float and math.isfinite(value)) or (kind is str and len(value) <= MOST_TEXT):
        return value
    if kind.__module__ == "torch" and kind.__name__ in {"dtype", "device"}:
        return str(value)
    if isinstance(value, list | tuple):
        return [plain(name, each, left) for each in value]
    came = value if kind is float else f"an entry of type {kind.__name__}"
    raise Refused(
        f"{name}: expected a finite number, a text, a boolean or a list of those, came {came}"
    )


def checked(name: str, tensor: Tensor) -> Tensor:
    """The tensor, if it is a plain one that its own storage can fill."""
    import torch

    if type(tensor) not in (torch.Tensor, torch.nn.Parameter):
        raise Refused(f"{name}: expected a plain tensor, came {type(tensor).__name__}")
    is_plain = tensor.layout is torch.strided and tensor.device.type == "cpu"
    if not is_plain or tensor.dtype not in dtypes():
        raise Refused(f"{name}: tensors of {tensor.dtype}, {tensor.layout} are not brought over")
    n_bytes = tensor.numel() * tensor.element_size()
    if n_bytes > tensor.untyped_storage().nbytes():
        raise Refused(
            f"{name}: shape {tuple(tensor.shape)} claims {n_bytes} bytes, the file holds "
            f"{tensor.untyped_storage().nbytes()} for it"
        )
    return tensor.detach()


def dtypes() -> dict[Any, str]:
    """The kinds of number that are brought over, as safetensors calls them."""
    import torch

    return {
        torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16",
        torch.int64: "I64", torch.int32: "I32", torch.int16: "I16", torch.int8: "I8",
        torch.uint8: "U8", torch.bool: "BOOL",
    }  # fmt: skip


def write(tensors: dict[str, Tensor], path: Path) -> None:
    """A safetensors file, written by pieces so that no tensor is held whole.

    Raises:
        Refused: a number is not finite.
    """
    kinds = dtypes()
    header: dict[str, Any] = {}
    at = 0
    for name, tensor in tensors.items():
        end = at + tensor.numel() * tensor.element_size()
        shape = list(tensor.shape)
        header[name] = {"dtype": kinds[tensor.dtype], "shape": shape, "data_offsets": [at, end]}
        at = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with path.open("xb") as out:
        out.write(len(text).to_bytes(8, "little") + text)
        for name, tensor in tensors.items():
            for piece in pieces(tensor):
                out.write(as_bytes(name, piece))


def pieces(tensor: Tensor) -> Iterator[Tensor]:
    """The numbers of a tensor in their order, a run at a time, each run flat and contiguous."""
    if tensor.is_contiguous():
        flat = tensor.reshape(-1)
        for start in range(0, len(flat), PIECE):
            yield flat[start : start + PIECE]
        return
    row = math.prod(tensor.shape[1:])
    step = max(1, PIECE // max(row, 1))
    for start in range(0, len(tensor), step):
        if row > PIECE:
            yield from pieces(tensor[start])
        else:
            yield tensor[start : start + step].contiguous().reshape(-1)


def as_bytes(name: str, piece: Tensor) -> bytes:
    """The numbers as they lie in the file, once they are found finite."""
    import torch

    if piece.is_floating_point() and not bool(torch.isfinite(piece).all()):
        raise Refused(f"{name} holds values that are not finite")
    raw: bytes = piece.view(torch.uint8).numpy().tobytes()
    return raw


def clean(said: object) -> str:
    """Somebody else's words in one short line of ASCII."""
    return " ".join(ascii(str(said))[1:-1].replace("\\n", " ").split())[:300]


def read(path: Path) -> Any:
    """What torch makes of the file, as weights alone."""
    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)  # noqa: TID251  # The one place.
    except MemoryError:
        raise
    except Exception as error:
        if "allocate memory" in str(error):
            raise MemoryError from error
        raise Refused(f"torch did not read it as weights alone: {clean(error)}") from error


def bring_over(task: dict[str, Any]) -> None:
    """The whole of it."""
    source = Path(task["source"])
    hold_back()
    leave_network(unshare, waived=task["network_waived"])
    limit(resource.RLIMIT_CORE, 0)
    limit(resource.RLIMIT_CPU, task["cpu_seconds"])
    limit(resource.RLIMIT_FSIZE, task["written_bytes"])
    limit_memory_loosely(BEFORE_TORCH)
    look(source)
    limit_memory_loosely(resource.RLIM_INFINITY)
    import torch

    torch.set_num_threads(1)
    limit(resource.RLIMIT_AS, taken() + source.stat().st_size + ROOM)
    limit(resource.RLIMIT_NOFILE, MOST_FILES)
    limit(resource.RLIMIT_NPROC, 0)
    deny_calls()
    sys.addaudithook(forbid)
    tensors, values = parted(read(source))
    write(tensors, Path(WEIGHTS))
    Path(VALUES).write_text(json.dumps(values, allow_nan=False), encoding="utf-8")


def main() -> int:
    """Bring one file over into the working folder; 0, or 3 where it is refused."""
    warnings.simplefilter("ignore")
    try:
        bring_over(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    except Refused as refused:
        why = str(refused)
    except MemoryError:
        why = "it needs more memory than a file of its size should"
    except RecursionError:
        why = "lists in it are nested too deeply"
    except OSError as error:
        why = f"it could not be brought over: {clean(error)}"
    else:
        return 0
    with contextlib.suppress(OSError):
        sys.stdout.write(why[:1000] + "\n")
        sys.stdout.flush()
    return REFUSED


if __name__ == "__main__":
    # No tidying up: nothing that was read may run on the way out.
    os._exit(main())
