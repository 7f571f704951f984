"""Notes, checkpoints, keys and the signatures on them."""

from __future__ import annotations

import base64
import hashlib
import stat

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from compliance.audit import checkpoint, verify

# The example of Go's note package, whose format C2SP wrote down.
NEUMANN = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
NEUMANN_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXg"
    "KvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
SUM_DB = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
# The examples of the two specifications; their keys are not published.
SIGNED_NOTE_EXAMPLE = (
    "Ognuno sta solo sul cuor della terra\n"
    "trafitto da un raggio di sole:\n"
    "\n"
    "ed è subito sera.\n"
    "\n"
    "— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMou"
    "FSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n"
)
CHECKPOINT_EXAMPLE = (
    "example.com/behind-the-sofa\n"
    "20852163\n"
    "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    "\n"
    "— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhc"
    "yv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
)
ROOT = hashlib.sha256(b"root").digest()
ROOT_64 = base64.b64encode(ROOT).decode()
P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493


@pytest.fixture
def signer():
    seed = bytes(range(32))
    return checkpoint.Signer("log.example/7", Ed25519PrivateKey.from_private_bytes(seed))


@pytest.fixture
def state():
    return checkpoint.Checkpoint("log.example/7", 4211, ROOT)


def test_the_published_example_note_verifies():
    note = verify.parse_note(NEUMANN_NOTE.encode())
    verify.verify_note(note, checkpoint.parse_key(NEUMANN))
    assert note.text.endswith("what your problem is.\n")


def test_the_examples_of_the_specifications_are_read():
    note = verify.parse_note(SIGNED_NOTE_EXAMPLE.encode())
    assert note.text.count("\n\n") == 1
    assert note.text.endswith("ed è subito sera.\n")
    assert note.signatures[0].key_id.hex() == "367ba04b"
    example = checkpoint.parse(CHECKPOINT_EXAMPLE)
    assert (example.origin, example.size) == ("example.com/behind-the-sofa", 20852163)
    assert example.text + "\n" == CHECKPOINT_EXAMPLE[: len(example.text) + 1]


@pytest.mark.parametrize("text", [NEUMANN, SUM_DB])
def test_published_keys_read_back_as_they_were_written(text):
    assert str(checkpoint.parse_key(f" {text}\n")) == text


def test_what_is_signed_verifies_and_reads_back(signer, state):
    note = checkpoint.sign(state, signer)
    key = checkpoint.parse_key(checkpoint.vkey(signer))
    assert checkpoint.verify(note, key) == state == checkpoint.parse(note.encode())
    assert note.startswith(f"log.example/7\n4211\n{ROOT_64}\n\n— log.example/7 ")


def test_extension_lines_are_signed_and_kept(signer, state):
    extended = state._replace(extensions=("one", "two"))
    assert checkpoint.verify(checkpoint.sign(extended, signer), signer.key) == extended


def test_signatures_of_unknown_keys_say_nothing(signer, state):
    note = checkpoint.sign(state, signer)
    witness = "— witness.example " + base64.b64encode(bytes(76)).decode() + "\n"
    same_name = f"— {signer.name} " + base64.b64encode(bytes(68)).decode() + "\n"
    assert checkpoint.verify(note + witness + same_name, signer.key) == state


def test_a_key_signs_only_for_its_own_log(signer, state):
    with pytest.raises(ValueError, match=r"log\.example/7 cannot sign for the log other"):
        checkpoint.sign(state._replace(origin="other"), signer)
    other = checkpoint.Signer("other", signer.private)
    text = state.text
    packed = base64.b64encode(other.key.key_id + signer.private.sign(text.encode())).decode()
    with pytest.raises(checkpoint.Broken, match=r"key is for 'other', the checkpoint for 'log\."):
        checkpoint.verify(f"{text}\n— other {packed}\n", other.key)


@pytest.mark.parametrize(
    "changes", [{"extensions": ("a\nb",)}, {"size": -1}, {"extensions": ("",)}]
)
def test_a_checkpoint_that_would_not_read_back_is_not_signed(signer, state, changes):
    with pytest.raises(ValueError, match=r"reads? back|three lines|tree size"):
        checkpoint.sign(state._replace(**changes), signer)


def test_another_keys_note_is_refused_and_says_who_signed(signer, state):
    note = checkpoint.sign(state, signer)
    stranger = checkpoint.generate_key("log.example/7")
    with pytest.raises(checkpoint.Broken, match=r"no signature by .* signed by 'log\.example/7\+"):
        checkpoint.verify(note, stranger.key)


def test_every_byte_of_a_note_counts(signer, state):
    note = checkpoint.sign(state, signer).encode()
    for position in range(len(note)):
        for mask in (0x01, 0x80):
            changed = bytearray(note)
            changed[position] ^= mask
            with pytest.raises((checkpoint.NotANote, checkpoint.Broken)):
                checkpoint.verify(bytes(changed), signer.key)


GOOD_LINE = "— a " + base64.b64encode(bytes(68)).decode()


@pytest.mark.parametrize(
    ("note", "said"),
    [
        (f"text\r\n\r\n{GOOD_LINE}\r\n", "control character"),
        (f"text\x00\n\n{GOOD_LINE}\n", "control character"),
        (f"te\txt\n\n{GOOD_LINE}\n", "control character"),
        (f"text\n{GOOD_LINE}\n", "a blank line"),
        (f"\n\n{GOOD_LINE}\n", "a blank line"),
        (f"text\n\n{GOOD_LINE}", "ended by a newline"),
        ("text\n\n", "ended by a newline"),
        ("text\n", "a blank line"),
        ("", "a blank line"),
        (f"text\n\n{GOOD_LINE}\n\n", "a blank line"),
        (f"text\n\n-{GOOD_LINE[1:]}\n", "em dash"),
        (f"text\n\n—{GOOD_LINE[2:]}\n", "em dash"),
        ("text\n\n— a\n", "em dash"),
        (f"text\n\n— {GOOD_LINE[4:]}\n", "em dash"),
        (f"text\n\n— a+b {GOOD_LINE[4:]}\n", "em dash"),
        (f"text\n\n— a\u00a0b {GOOD_LINE[4:]}\n", "em dash"),
        (f"text\n\n— a  {GOOD_LINE[4:]}\n", "not base64"),
        (f"text\n\n{GOOD_LINE}!\n", "not base64"),
        (f"text\n\n{GOOD_LINE} \n", "not base64"),
        (f"text\n\n{GOOD_LINE[:-1]}\n", "not base64"),
        ("text\n\n— a AAAAAAB=\n", "second spelling"),
        ("text\n\n— a ä\n", "not base64"),
        ("text\n\n— a AAAAAA==\n", "no more than its key id"),
        (f"text\n\n{GOOD_LINE}\n{GOOD_LINE}\n", "two signatures by one key"),
        ("text\n\n" + f"{GOOD_LINE}\n" * 100, "at most 32 signatures here, this one 100"),
        ("t" * 300_000 + f"\n\n{GOOD_LINE}\n", "at most 262,144 bytes"),
    ],
)
def test_malformed_notes_are_refused(note, said):
    with pytest.raises(checkpoint.NotANote, match=said):
        verify.parse_note(note.encode())


def test_a_note_must_be_utf_8():
    with pytest.raises(checkpoint.NotANote, match="not UTF-8 at byte 2"):
        verify.parse_note(b"ab\xff\n\n" + GOOD_LINE.encode() + b"\n")


def test_sixteen_signatures_are_accepted():
    lines = "".join(f"— key{n} {GOOD_LINE[4:]}\n" for n in range(16))
    assert len(verify.parse_note(f"text\n\n{lines}".encode()).signatures) == 16


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"log\n01\n{ROOT_64}\n", "without leading zeros"),
        (f"log\n00\n{ROOT_64}\n", "without leading zeros"),
        (f"log\n-1\n{ROOT_64}\n", "without leading zeros"),
        (f"log\n+1\n{ROOT_64}\n", "without leading zeros"),
        (f"log\n1 \n{ROOT_64}\n", "without leading zeros"),
        (f"log\n\u0661\n{ROOT_64}\n", "without leading zeros"),
        (f"log\n{10**19}\n{ROOT_64}\n", "without leading zeros"),
        (f"log\n1\n{ROOT_64[:-1]}\n", "not base64"),
        (f"log\n1\n{ROOT_64[:-2]}p=\n", "second spelling"),
        ("log\n1\nAAAA\n", "a root has 32 bytes, this one 3"),
        (f"\n1\n{ROOT_64}\n", "none empty"),
        ("log\n1\n", "three lines"),
        (f"log\n1\n{ROOT_64}\n\nextension\n", "none empty"),
    ],
)
def test_malformed_checkpoints_are_refused(text, said):
    with pytest.raises(checkpoint.NotANote, match=said):
        verify.parse_checkpoint(text)


def test_an_empty_tree_has_size_zero():
    assert verify.parse_checkpoint(f"log\n0\n{ROOT_64}\n").size == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (NEUMANN.replace("c74f", "c74e"), "id should be c74f20a3"),
        (NEUMANN.replace("+ARpc", "+AhpC"), "not 'PeterNeumann"),
        (NEUMANN.replace("PeterNeumann", "Peter Neumann"), "a key reads"),
        (NEUMANN.replace("PeterNeumann", ""), "a key reads"),
        (NEUMANN[:-4], "a key reads"),
        (NEUMANN + "=", "base64"),
        ("", "a key reads"),
        ("name", "a key reads"),
    ],
)
def test_malformed_keys_are_refused(text, said):
    with pytest.raises(checkpoint.NotANote, match=said):
        checkpoint.parse_key(text)


# Private keys on disk.


def test_a_key_is_saved_for_its_owner_and_loads_again(tmp_path, state):
    made = checkpoint.generate_key("log.example/7")
    path = tmp_path / "log.key"
    checkpoint.save_key(made, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    loaded = checkpoint.load_key(path)
    assert loaded.key == made.key
    assert checkpoint.verify(checkpoint.sign(state, loaded), made.key) == state


def test_a_private_key_is_never_shown(signer):
    assert "Ed25519" not in repr(signer)


def test_a_saved_key_is_never_replaced(tmp_path, signer):
    path = tmp_path / "log.key"
    checkpoint.save_key(signer, path)
    before = path.read_bytes()
    with pytest.raises(FileExistsError):
        checkpoint.save_key(checkpoint.generate_key("other"), path)
    assert path.read_bytes() == before


def test_a_key_that_others_can_read_is_not_used(tmp_path, signer):
    path = tmp_path / "log.key"
    checkpoint.save_key(signer, path)
    path.chmod(0o640)
    with pytest.raises(PermissionError, match="chmod 600"):
        checkpoint.load_key(path)


@pytest.mark.parametrize(
    "change", [("PRIVATE+KEY+", ""), ("+AQ", "+Ag"), ("log.", "lag."), ("+AQ", "+")]
)
def test_a_spoilt_key_file_is_refused(tmp_path, signer, change):
    path = tmp_path / "log.key"
    checkpoint.save_key(signer, path)
    path.write_text(path.read_text().replace(*change))
    with pytest.raises(checkpoint.NotANote):
        checkpoint.load_key(path)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\u2003b"])
def test_a_name_that_cannot_stand_in_a_note_is_refused(name):
    with pytest.raises(checkpoint.NotANote, match="a log's name"):
        checkpoint.generate_key(name)


# Ed25519.


@pytest.mark.parametrize(
    ("public", "message", "signature"),
    [
        (
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            (
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
                "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
            ),
        ),
        (
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            (
                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
                "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
            ),
        ),
    ],
)
def test_the_vectors_of_rfc_8032_verify(public, message, signature):
    assert verify.ed25519_verify(*map(bytes.fromhex, (public, message, signature)))


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=200), st.integers(0, 511))
def test_signatures_made_by_openssl_verify_and_with_any_bit_changed_do_not(seed, message, bit):
    private = Ed25519PrivateKey.from_private_bytes(seed)
    public, signature = private.public_key().public_bytes_raw(), private.sign(message)
    assert verify.ed25519_verify(public, message, signature)
    changed = bytearray(signature)
    changed[bit // 8] ^= 1 << bit % 8
    assert not verify.ed25519_verify(public, message, bytes(changed))
    assert not verify.ed25519_verify(public, message + b"x", signature)


def test_a_second_spelling_of_s_is_refused(signer):
    signature = signer.private.sign(b"x")
    s = int.from_bytes(signature[32:], "little") + L
    assert verify.ed25519_verify(signer.key.public, b"x", signature)
    assert not verify.ed25519_verify(
        signer.key.public, b"x", signature[:32] + s.to_bytes(32, "little")
    )


SMALL_ORDER = [
    (1).to_bytes(32, "little"),
    (P - 1).to_bytes(32, "little"),
    bytes(32),
    (1 << 255).to_bytes(32, "little"),
    bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
]


@pytest.mark.parametrize("public", SMALL_ORDER)
def test_a_key_of_small_order_which_would_sign_anything_is_refused(public):
    # With S = 0 and R the neutral point, a lenient verifier accepts one message in eight or more.
    forged = (1).to_bytes(32, "little") + bytes(32)
    for number in range(32):
        assert not verify.ed25519_verify(public, bytes([number]), forged)


def test_an_r_of_small_order_is_refused_even_where_the_equation_holds(signer):
    scalar = bytearray(hashlib.sha512(bytes(range(32))).digest()[:32])
    scalar[0] &= 248
    scalar[31] = (scalar[31] & 127) | 64
    neutral = (1).to_bytes(32, "little")
    digest = hashlib.sha512(neutral + signer.key.public + b"x").digest()
    s = int.from_bytes(digest, "little") * int.from_bytes(scalar, "little") % L
    assert not verify.ed25519_verify(signer.key.public, b"x", neutral + s.to_bytes(32, "little"))


@pytest.mark.parametrize(
    "point",
    [
        P.to_bytes(32, "little"),
        (P + 1).to_bytes(32, "little"),
        (1 | 1 << 255).to_bytes(32, "little"),
        (2).to_bytes(32, "little"),
        b"\xff" * 32,
    ],
)
def test_points_off_the_curve_or_in_a_second_spelling_are_refused(signer, point):
    signature = signer.private.sign(b"x")
    assert not verify.ed25519_verify(point, b"x", signature)
    assert not verify.ed25519_verify(signer.key.public, b"x", point + signature[32:])


def test_keys_and_signatures_of_another_length_are_refused(signer):
    signature = signer.private.sign(b"x")
    assert not verify.ed25519_verify(signer.key.public[:-1], b"x", signature)
    assert not verify.ed25519_verify(signer.key.public, b"x", signature + b"\x00")
