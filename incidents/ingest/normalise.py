"""One vocabulary for every span, whoever instrumented it.

1. Drop what only the registry may say (`strata.model.*` and the like).
2. Give old and vendors' names their current `gen_ai.*` name; a current name already there wins.
3. Derive, where the content was sent: the system prompt's digest, the arguments' shape, the
   credentials among them, the data they reach for. What is derived replaces what was claimed.

Later the content itself can be masked (`redact`) or replaced by keyed digests (`without_content`).
"""

import hashlib
import hmac
import posixpath
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from urllib.parse import urlsplit

import orjson
import re2

from incidents.ingest import credentials
from incidents.ingest import vocabulary as v
from incidents.ingest.spans import Fields, SpanRecord, Value

N_DEEPEST_SHAPE = 6
N_DEEPEST_JSON = 32
N_MOST_SCOPES = 64
ADDRESS = re2.compile(r"(?i)[a-z][a-z0-9+.-]{1,20}://\S+")
UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn"}  # controls, bidirectional marks, zero widths, surrogates


def normalise(span: SpanRecord) -> SpanRecord:
    """The span in the current vocabulary, with what can be derived from its content."""
    named = _renamed(_allowed(span.attributes), v.ALIASES)
    named = _with_operation(_with_sampling(named))
    derived = dict(_derived(replace(span, attributes=named)))
    claimed = named.get(v.PROMPT_SHA256)
    if claimed is not None and derived.get(v.PROMPT_SHA256, claimed) != claimed:
        derived["strata.prompt.sha256.claimed"] = claimed
    resource = _renamed(_allowed(span.resource), v.RESOURCE_ALIASES)
    return replace(span, attributes={**named, **derived}, resource=resource)


def _allowed(fields: Fields) -> dict[str, Value]:
    return {k: x for k, x in fields.items() if not k.startswith("strata.") or k in v.DECLARED}


def _renamed(fields: dict[str, Value], aliases: Mapping[str, tuple[str, ...]]) -> dict[str, Value]:
    """Old names become current ones; an old name that disagrees with the current one stays."""
    for current, old_names in aliases.items():
        for old in old_names:
            if old in fields and fields.get(current, fields[old]) == fields[old]:
                fields[current] = fields.pop(old)
    return fields


def _with_operation(fields: dict[str, Value]) -> dict[str, Value]:
    """Name the operation from older kinds, or from the presence of a tool; then what it names."""
    if v.OPERATION not in fields and (found := _operation(fields)):
        fields[v.OPERATION] = found
    operation = fields.get(v.OPERATION)
    for current, old in v.TRACELOOP_NAMES.get(str(operation), {}).items():
        if old in fields:
            fields.setdefault(current, fields[old])
    return fields


def _operation(fields: Fields) -> str:
    for attribute, kinds in v.OPERATIONS.items():
        if found := kinds.get(str(fields.get(attribute, "")).lower()):
            return found
    return "execute_tool" if v.TOOL in fields else ""


def _with_sampling(fields: dict[str, Value]) -> dict[str, Value]:
    given = parsed(fields.get(v.INVOCATION_PARAMETERS))
    if isinstance(given, Mapping):
        for name in v.SAMPLING:
            if isinstance(given.get(name), int | float):
                fields.setdefault(f"gen_ai.request.{name}", given[name])
    return fields


def _derived(span: SpanRecord) -> Iterator[tuple[str, Value]]:
    fields = span.attributes
    if (prompt := system_prompt(span)) is not None:
        yield v.PROMPT_SHA256, prompt_sha256(prompt)
    if v.ARGUMENTS in fields:
        arguments = parsed(fields[v.ARGUMENTS])
        yield v.ARGS_SHAPE, args_shape(arguments)
        if found := credentials.kinds(as_text(fields[v.ARGUMENTS])):
            yield v.ARGS_CREDENTIALS, found
    if scopes := data_scopes(fields):
        yield v.DATA_SCOPE, scopes


def parsed(value: Value) -> Value:
    """The value, read as JSON when it is text that holds a JSON object or list."""
    if not isinstance(value, str) or value.lstrip()[:1] not in {"{", "["}:
        return value
    try:
        return frozen(orjson.loads(value))
    except ValueError:
        return value


def frozen(tree: object, depth: int = N_DEEPEST_JSON) -> Value:
    """A parsed JSON tree with tuples for lists, as the rest of the house holds values.

    Raises:
        ValueError: nested too deep to walk safely.
    """
    if depth == 0:
        raise ValueError(f"nested deeper than {N_DEEPEST_JSON}")
    if isinstance(tree, list):
        return tuple(frozen(each, depth - 1) for each in tree)
    if isinstance(tree, dict):
        return {str(key): frozen(each, depth - 1) for key, each in tree.items()}
    return tree if isinstance(tree, str | bool | int | float) else None


def as_text(value: Value) -> str:
    """Text as it is; anything else as JSON with sorted keys."""
    if isinstance(value, str):
        return value
    return orjson.dumps(value, default=_plain, option=orjson.OPT_SORT_KEYS).decode()


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(type(value).__name__)


def system_prompt(span: SpanRecord) -> str | None:
    """The system prompt the span carries, whole; None when it carries none or only a piece.

    Several parts are joined by a line feed, in the order they were sent.
    """
    for source, parts in _system_parts(span):
        if parts:
            was_cut = any(name.startswith(source) for name in span.cut)
            return None if was_cut else "\n".join(parts)
    return None


def _system_parts(span: SpanRecord) -> Iterator[tuple[str, list[str]]]:
    """Where a system prompt may stand, newest convention first, with the parts found there."""
    fields = span.attributes
    yield v.INSTRUCTIONS, list(_contents(parsed(fields.get(v.INSTRUCTIONS))))
    messages = parsed(fields.get(v.INPUT))
    said = messages if isinstance(messages, tuple) else ()
    yield v.INPUT, [text for each in said if _is_system(each) for text in _contents(each)]
    for prefix, role, content in v.NUMBERED_MESSAGES:
        yield prefix, list(_numbered(fields, prefix, role, content))
    events = [e.attributes for e in span.events if e.name == v.SYSTEM_MESSAGE_EVENT]
    yield "content", [text for each in events for text in _contents(each)]


def _is_system(message: Value) -> bool:
    return isinstance(message, Mapping) and message.get("role") in {"system", "developer"}


def _contents(part: Value) -> Iterator[str]:
    """The texts in a message or a list of parts, whichever of the usual shapes it has."""
    if isinstance(part, str):
        yield part
    elif isinstance(part, tuple):
        for each in part:
            yield from _contents(each)
    elif isinstance(part, Mapping):
        for name in ("content", "text", "parts"):
            yield from _contents(part.get(name))


def _numbered(fields: Fields, prefix: str, role: str, content: str) -> Iterator[str]:
    for number in range(len(fields)):
        said = fields.get(f"{prefix}{number}{role}")
        if said is None:
            return
        if said == "system":
            yield from _contents(fields.get(f"{prefix}{number}{content}"))


def prompt_sha256(prompt: str) -> str:
    """The digest a manifest holds for a system prompt: SHA-256 of its UTF-8, to the letter."""
    return hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).hexdigest()


def args_shape(arguments: Value) -> str:
    """Sorted names and types, no values: `count:int,target:{host:str}`."""
    return _shape(arguments, N_DEEPEST_SHAPE)


def _shape(value: Value, depth: int) -> str:
    if isinstance(value, Mapping):
        inner = [f"{name}:{_shape(value[name], depth - 1)}" for name in sorted(value)]
        return _wrapped("{", ",".join(inner) if depth else "…", "}", depth)
    if isinstance(value, tuple):
        kinds = sorted({_shape(each, depth - 1) for each in value})
        return _wrapped("[", "|".join(kinds) if depth else "…", "]", depth)
    return "null" if value is None else type(value).__name__


def _wrapped(opening: str, inner: str, closing: str, depth: int) -> str:
    return inner if depth == N_DEEPEST_SHAPE else f"{opening}{inner}{closing}"


def data_scopes(fields: Fields) -> tuple[str, ...]:
    """What data the span reached for, as sorted addresses a manifest can list.

    `source:NAME`, `db:SYSTEM/NAMESPACE`, `host:NAME`, `file:///PATH` with `..` resolved, and web
    addresses without user, query or fragment. Falls back on what the sender declared.
    """
    found = {*_named_scopes(fields), *_argument_scopes(parsed(fields.get(v.ARGUMENTS)))}
    if not found:
        declared = fields.get(v.DATA_SCOPE)
        members = declared if isinstance(declared, tuple) else (declared,)
        found = {each for each in members if isinstance(each, str) and each}
    return tuple(sorted(found)[:N_MOST_SCOPES])


def _named_scopes(fields: Fields) -> Iterator[str]:
    if isinstance(source := fields.get("gen_ai.data_source.id"), str):
        yield f"source:{source}"
    if isinstance(namespace := fields.get("db.namespace"), str):
        yield f"db:{fields.get('db.system.name', '')}/{namespace}"
    if isinstance(host := fields.get("server.address"), str) and _is_tool(fields):
        yield f"host:{host.lower()}"
    for name in ("mcp.resource.uri", "url.full"):
        if isinstance(address := fields.get(name), str):
            yield address_scope(address)


def _is_tool(fields: Fields) -> bool:
    return fields.get(v.OPERATION) in {"execute_tool", "retrieval"}


def _argument_scopes(arguments: Value) -> Iterator[str]:
    if not isinstance(arguments, Mapping):
        return
    for name, value in arguments.items():
        for text in _texts(value):
            if name.lower() in v.ADDRESS_ARGUMENTS or ADDRESS.fullmatch(text):
                yield address_scope(text)
            elif name.lower() in v.PATH_ARGUMENTS:
                yield path_scope(text)


def _texts(value: Value) -> Iterable[str]:
    members = value if isinstance(value, tuple) else (value,)
    return [each for each in members if isinstance(each, str) and each]


def address_scope(address: str) -> str:
    """A web or resource address as a scope: no user, no query, host in lower case."""
    try:
        parts = urlsplit(address.strip())
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return f"unreadable:{address[:64]}"
    if not parts.scheme or parts.scheme == "file":
        return path_scope(parts.path or address)
    host = (parts.hostname or "").lower()
    return f"{parts.scheme}://{host}{port}{_resolved(parts.path)}"


def path_scope(path: str) -> str:
    """A path as a scope; `..` is resolved so that it cannot climb out unseen."""
    return f"file://{_resolved('/' + path.strip())}"


def _resolved(path: str) -> str:
    if not path:
        return ""
    resolved = posixpath.normpath(path.replace("\\", "/"))
    return "/" + resolved.lstrip("/") if resolved.startswith("/") else resolved


def plain(text: str) -> str:
    """Text without control, bidirectional and other unseen characters."""
    return "".join(c if c == " " or unicodedata.category(c) not in UNSEEN else " " for c in text)


def redact(value: Value, *, limit: int = 200) -> str:
    """The value as it may be shown: credentials and addresses masked, unseen marks out, capped."""
    is_list = isinstance(value, tuple) and all(isinstance(each, str) for each in value)
    told = ", ".join(_texts(value)) if is_list else as_text(value)
    text = plain(credentials.masked(told))
    return text if len(text) <= limit else text[: limit - 1] + "…"


def is_content(name: str) -> bool:
    """Whether the attribute holds what somebody said, rather than what happened."""
    by_prefix = name.startswith(v.CONTENT_PREFIXES) and not name.endswith((".role", ".name"))
    return name in v.CONTENT or (by_prefix and name not in v.NOT_CONTENT)


def without_content(fields: Fields, *, key: bytes) -> dict[str, Value]:
    """The fields with each content replaced by its length and a keyed digest.

    The key keeps short contents from being guessed; the same content still compares equal.
    """
    return {
        name: _sealed(as_text(value), key) if is_content(name) else value
        for name, value in fields.items()
    }


def _sealed(text: str, key: bytes) -> Value:
    digest = hmac.new(key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
    return {"hmac_sha256": digest, "n_chars": len(text)}
