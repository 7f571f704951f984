"""Lanes: threads that each compute alone, side by side, for work that comes in pieces.

On a processor one pass on all cores waits at every step for the slowest of them and shares its
cache with the rest; a pass a core does neither, and its figures do not depend on how many cores
there are.
"""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future

Piece = TypeVar("Piece")
Found = TypeVar("Found")


@cache
def pool(n: int) -> ThreadPoolExecutor:
    """So many threads of this process that compute on one core each."""
    made = ThreadPoolExecutor(n, thread_name_prefix="lane")
    threads, together = torch.get_num_threads(), threading.Barrier(n)

    def begin() -> None:
        torch.get_num_threads()  # A thread's first question sets it to what all others have.
        torch.set_num_threads(1)
        together.wait()

    wait([made.submit(begin) for _ in range(n)])
    torch.set_num_threads(threads)  # Torch tells threads to come what was said last.
    return made


def over(
    pieces: Iterable[Piece], work: Callable[[Piece], Found], *, n: int
) -> Iterator[tuple[Piece, Found]]:
    """Each piece with what comes of it, in order; at most one more than there are lanes ahead.

    With one lane all is done here and now. Whatever a piece raises is raised in its turn; when the
    reader stops early, what is under way is waited for.
    """
    if n == 1:
        for piece in pieces:
            yield piece, work(piece)
        return
    coming, under_way = iter(pieces), deque[tuple[Piece, "Future[Found]"]]()
    lanes = pool(n)
    try:
        while True:
            for piece in islice(coming, n + 1 - len(under_way)):
                under_way.append((piece, lanes.submit(work, piece)))
            if not under_way:
                return
            piece, future = under_way.popleft()
            yield piece, future.result()
    finally:
        for _, future in under_way:
            future.cancel()
        wait([future for _, future in under_way])
