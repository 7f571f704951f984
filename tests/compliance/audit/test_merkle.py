"""Trees against the vectors of Certificate Transparency and against the definition itself."""

from __future__ import annotations

import hashlib

import pytest

from compliance.audit import merkle

INPUTS = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
PATH_OF_LEAF_0_IN_8 = [
    "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
    "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
]
HASHES = [merkle.leaf_hash(leaf) for leaf in INPUTS]
MANY = [merkle.leaf_hash(bytes([n])) for n in range(64)]


def defined_root(hashes: list[bytes]) -> bytes:
    """Compute MTH as RFC 6962 writes it down, without a thought of speed."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    left, right = defined_root(hashes[:split]), defined_root(hashes[split:])
    return hashlib.sha256(b"\x01" + left + right).digest()


def test_the_roots_are_those_of_certificate_transparency():
    assert [merkle.root(HASHES[:n]).hex() for n in range(1, 9)] == ROOTS
    assert merkle.root([]) == merkle.EMPTY_ROOT == hashlib.sha256(b"").digest()


def test_the_inclusion_path_is_that_of_certificate_transparency():
    proof = merkle.inclusion_proof(0, 8, HASHES)
    assert [one.hex() for one in proof] == PATH_OF_LEAF_0_IN_8


@pytest.mark.parametrize("size", range(65))
def test_the_root_is_the_defined_one(size):
    assert merkle.root(MANY[:size]) == defined_root(MANY[:size])


def test_a_frontier_taken_up_again_goes_on_as_before():
    for size in range(65):
        first = merkle.Frontier()
        for one in MANY[:size]:
            first.append(one)
        second = merkle.Frontier.from_hex(size, first.to_hex())
        for one in MANY[size:]:
            second.append(one)
        assert len(first.to_hex()) == size.bit_count()
        assert second.root() == merkle.root(MANY)


@pytest.mark.parametrize(
    ("size", "nodes"), [(1, []), (0, [b"\x00" * 32]), (3, [b"\x00" * 32] * 3), (1, [b"\x00" * 31])]
)
def test_a_frontier_that_cannot_be_is_refused(size, nodes):
    with pytest.raises(ValueError, match="a frontier of"):
        merkle.Frontier(size, nodes)


def test_every_leaf_of_every_tree_up_to_64_is_proved_and_no_other():
    for size in range(1, 65):
        root = defined_root(MANY[:size])
        for index in range(size):
            proof = merkle.inclusion_proof(index, size, MANY.__getitem__)
            merkle.verify_inclusion(MANY[index], index, size, proof, root)
            with pytest.raises(merkle.ProofRefused):
                merkle.verify_inclusion(MANY[index - 1 if index else 63], index, size, proof, root)


def test_every_tree_up_to_64_begins_with_every_smaller_one():
    roots = [defined_root(MANY[:size]) for size in range(65)]
    for new in range(65):
        for old in range(new + 1):
            proof = merkle.consistency_proof(old, new, MANY)
            merkle.verify_consistency(old, new, roots[old], roots[new], proof)
            with pytest.raises(merkle.ProofRefused):
                merkle.verify_consistency(old, new, b"\x07" * 32, roots[new], proof)
            if old:
                with pytest.raises(merkle.ProofRefused):
                    merkle.verify_consistency(old, new, roots[old], b"\x07" * 32, proof)


def test_a_proof_with_one_hash_changed_dropped_or_added_is_refused():
    old_root, new_root = merkle.root(MANY[:21]), merkle.root(MANY[:50])
    inclusion = merkle.inclusion_proof(21, 50, MANY)
    consistency = merkle.consistency_proof(21, 50, MANY)
    for bad in spoiled(inclusion):
        with pytest.raises(merkle.ProofRefused):
            merkle.verify_inclusion(MANY[21], 21, 50, bad, new_root)
    for bad in spoiled(consistency):
        with pytest.raises(merkle.ProofRefused):
            merkle.verify_consistency(21, 50, old_root, new_root, bad)


def spoiled(proof: list[bytes]) -> list[list[bytes]]:
    """Every proof that differs from this one by one hash."""
    changed = [[*proof[:n], b"\x07" * 32, *proof[n + 1 :]] for n in range(len(proof))]
    shorter = [[*proof[:n], *proof[n + 1 :]] for n in range(len(proof))]
    longer = [[*proof[:n], b"\x07" * 32, *proof[n:]] for n in range(len(proof) + 1)]
    return [*changed, *shorter, *longer, [], proof * 20]


def test_places_outside_the_tree_are_refused():
    root = merkle.root(MANY)
    with pytest.raises(IndexError, match="leaf 64 is not in a tree of 64"):
        merkle.inclusion_proof(64, 64, MANY)
    with pytest.raises(IndexError, match="no beginning of 9"):
        merkle.consistency_proof(9, 8, MANY)
    with pytest.raises(merkle.ProofRefused, match="cannot be in a tree"):
        merkle.verify_inclusion(MANY[0], 64, 64, [], root)
    with pytest.raises(merkle.ProofRefused, match="cannot begin"):
        merkle.verify_consistency(65, 64, root, root, [])
    with pytest.raises(merkle.ProofRefused, match="is empty"):
        merkle.verify_consistency(7, 64, merkle.root(MANY[:7]), root, [])
