"""Every sequence is in one lot, no lot is too large, and a kept prefix really is shared."""

import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from hypothesis import given
from hypothesis import strategies as st

from assessments.scanner.lots import FEWEST_SHARING, ROUND_TO, SHORTEST_PREFIX, cut, padded

PREFIXES = [tuple(range(n)) for n in (0, 5, 16, 40)]


@st.composite
def sequences(draw):
    """Some sequences, most of which begin with one of a few prefixes."""
    found = []
    for _ in range(draw(st.integers(1, 40))):
        prefix = draw(st.sampled_from(PREFIXES))
        found.append(
            (
                prefix + tuple(draw(st.lists(st.integers(100, 105), min_size=1, max_size=60))),
                len(prefix),
            )
        )
    return found


@given(sequences(), st.integers(16, 400))
def test_lots_hold_everything_once_and_not_too_much(given_sequences, budget):
    ids = [each for each, _ in given_sequences]
    found = cut(ids, budget, prefixes=[n for _, n in given_sequences])
    assert sorted(place for lot in found for place in lot.places) == list(range(len(ids)))
    for lot in found:
        members = [ids[place] for place in lot.places]
        assert len({each[: lot.n_prefix] for each in members}) == 1
        width = padded(max(map(len, members)) - lot.n_prefix)
        assert width % ROUND_TO == 0
        assert lot.n_tokens == width * len(members)
        assert lot.n_tokens <= budget or len(members) == 1
        assert lot.n_prefix == 0 or lot.n_prefix >= SHORTEST_PREFIX


def test_a_prefix_is_kept_for_those_that_share_it_and_for_enough_of_them():
    prefix = tuple(range(20))
    sharing = [(*prefix, 100 + at) for at in range(FEWEST_SHARING)]
    found = cut(sharing, 400, prefixes=[20] * len(sharing))
    assert [lot.n_prefix for lot in found] == [20]
    found = cut(sharing[1:], 400, prefixes=[20] * (len(sharing) - 1))
    assert [lot.n_prefix for lot in found] == [0]


def test_like_lengths_lie_together():
    lengths = [3, 30, 4, 31, 5, 32]
    found = cut([tuple(range(n)) for n in lengths], 100)
    assert [[lengths[place] for place in lot.places] for lot in found] == [[3, 4, 5], [30, 31, 32]]
