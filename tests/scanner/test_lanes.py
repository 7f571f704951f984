"""Pieces come back in order, whatever order they were done in."""

import threading
import time

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from assessments.scanner import lanes


@pytest.mark.parametrize("n", [1, 2, 3])
def test_pieces_come_back_in_order(n):
    def work(piece):
        time.sleep(0.002 * (piece % 3))
        return piece * piece

    assert list(lanes.over(range(20), work, n=n)) == [(k, k * k) for k in range(20)]
    assert list(lanes.over([], work, n=n)) == []


def test_a_lane_computes_on_one_core_and_all_others_as_before():
    before = torch.get_num_threads()
    found = {n for _, n in lanes.over(range(8), lambda _: torch.get_num_threads(), n=2)}
    assert found == {1}
    assert torch.get_num_threads() == before
    late: list[int] = []
    other = threading.Thread(target=lambda: late.append(torch.get_num_threads()))
    other.start()
    other.join()
    assert late == [before]


def test_what_a_piece_raises_is_raised_in_its_turn():
    def work(piece):
        if piece == 3:
            raise ValueError("the third")
        return piece

    found = []
    with pytest.raises(ValueError, match="the third"):
        found.extend(piece for piece, _ in lanes.over(range(20), work, n=2))
    assert found == [0, 1, 2]


def test_few_pieces_are_begun_ahead():
    begun = []

    def work(piece):
        begun.append(piece)
        return piece

    coming = lanes.over(range(50), work, n=2)
    next(coming)
    time.sleep(0.05)
    assert len(begun) <= 4
    coming.close()
    assert len(begun) <= 4
