"""Hostile safetensors files are refused before the library sees them."""

import json

import pytest

from assessments.scanner.header import HostileFile, check_header

GOOD = {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}


def blob(header, data=b"\0" * 8):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def entry(**changes):
    return {"a": GOOD["a"] | changes}


def test_a_plain_file_is_read():
    (spec,) = check_header(blob(GOOD | {"__metadata__": {"format": "pt"}}))
    assert (spec.name, spec.shape, spec.start, spec.end) == ("a", (2,), 0, 8)


@pytest.mark.parametrize(
    ("hostile", "complaint"),
    [
        (b"\1\2", "at least 8 bytes"),
        ((1 << 40).to_bytes(8, "little"), "at most"),
        ((900).to_bytes(8, "little") + b"{}", "claims 900"),
        (blob(b"{"), "JSON"),
        (blob(b"\xff\xfe"), "JSON"),
        (blob(b"[" * 100_000), "JSON"),
        (blob(b'{"a":' + b"9" * 5000 + b"}"), "JSON"),
        (blob(b"[]"), "object"),
        (blob(b'{"a":1,"a":2}'), "twice"),
        (blob({"../x": GOOD["a"]}), "plain tensor name"),
        (blob({"<b>": GOOD["a"]}), "plain tensor name"),
        (blob({"x" * 300: GOOD["a"]}), "plain tensor name"),
        (blob(entry(dtype="OBJ")), "unknown dtype"),
        (blob(entry(dtype=["F32"])), "unknown dtype"),
        (blob(entry(shape=[-2])), "shape"),
        (blob(entry(shape=[True])), "shape"),
        (blob(entry(shape=[1] * 9)), "shape"),
        (blob(entry(shape=[3])), "does not fill"),
        (blob(entry(data_offsets=[0])), "start and an end"),
        (blob(entry(data_offsets=[4, 12])), "start at 0"),
        (blob(entry(extra=1)), "expected dtype"),
        (blob(GOOD, b"\0" * 12), "the file has 12"),
        (blob(GOOD | {"b": GOOD["a"]}), "start at 8"),
    ],
)
def test_a_hostile_file_is_refused_with_a_reason(hostile, complaint):
    with pytest.raises(HostileFile, match=complaint):
        check_header(hostile)


def test_too_many_tensors_are_refused():
    many = {
        f"t{at}": {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]} for at in range(100_001)
    }
    with pytest.raises(HostileFile, match="at most 100000"):
        check_header(blob(many, b""))
