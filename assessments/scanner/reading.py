"""Read a model at one point, lot by lot.

1. Read the prefix that a lot shares, once, and keep its keys and values.
2. Run the rest no further than the read point; the head is never computed.
3. When memory runs out, halve the lot and go on.

Shapes: B sequences, T positions, D width of the read point.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from transformers import DynamicCache

from assessments.scanner import readpoints
from assessments.scanner.activations import Stop
from assessments.scanner.contract import ScanFailed
from assessments.scanner.lots import padded

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from torch import Tensor
    from transformers import PreTrainedModel

    from assessments.scanner.lots import Lot
    from assessments.scanner.readpoints import ReadPoint


@dataclass
class Reader:
    """One model, read at one point."""

    model: PreTrainedModel
    point: ReadPoint
    n_halved: int = 0
    """How often a lot was halved because memory ran out."""

    def read(
        self, sequences: Mapping[int, Sequence[int]], lot: Lot
    ) -> Iterator[tuple[int, Tensor]]:
        """Each sequence of a lot, by its place, and its stream behind the shared prefix.

        Yields:
            The place, and (T, D) in float32 for the tokens from `lot.n_prefix` on.

        Raises:
            ScanFailed: memory runs out on a single sequence.
        """
        waiting = [list(lot.places)]
        while waiting:
            places = waiting.pop(0)
            try:
                stream = self._stream([sequences[place] for place in places], lot.n_prefix)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                if len(places) == 1:
                    message = f"no memory for one sequence of {len(sequences[places[0]])} tokens"
                    raise ScanFailed(message, permanent=True) from error
                self.n_halved += 1
                torch.cuda.empty_cache()
                middle = len(places) // 2
                waiting[:0] = [places[:middle], places[middle:]]
                continue
            for row, place in enumerate(places):
                yield place, stream[row, : len(sequences[place]) - lot.n_prefix]

    @torch.no_grad()
    def _stream(self, sequences: Sequence[Sequence[int]], n_prefix: int) -> Tensor:
        """The streams of some sequences side by side, behind their prefix: (B, T, D) float32."""
        named: dict[str, Any] = {"use_cache": False}
        if n_prefix:
            cache = DynamicCache(config=self.model.config)
            head = torch.tensor([list(sequences[0][:n_prefix])])
            self._run(head, torch.ones_like(head), past_key_values=cache, use_cache=True)
            cache.batch_repeat_interleave(len(sequences))
            named = {"past_key_values": cache, "use_cache": True}
        width = padded(max(map(len, sequences)) - n_prefix)
        ids = torch.zeros(len(sequences), width, dtype=torch.long)  # (B, T)
        mask = torch.zeros(len(sequences), n_prefix + width, dtype=torch.long)
        for row, each in enumerate(sequences):
            ids[row, : len(each) - n_prefix] = torch.tensor(each[n_prefix:])
            mask[row, : len(each)] = 1
        return self._run(ids, mask, **named)

    def _run(self, ids: Tensor, mask: Tensor, **named: Any) -> Tensor:
        """One pass that ends at the read point."""
        caught: list[Tensor] = []

        def see(x: Tensor) -> None:
            caught.append(x)
            raise Stop

        handle = readpoints.tap(self.model, self.point).watch(see)
        device = self.model.device
        try:
            self.model.base_model(input_ids=ids.to(device), attention_mask=mask.to(device), **named)
        except Stop:
            return caught[0].float()
        finally:
            handle.remove()
        message = f"{type(self.model).__name__} was run and never came by {self.point.spelled}"
        raise ScanFailed(message, permanent=True)


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether the device, or the machine, had no room."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def prefix_deviation(
    model: PreTrainedModel, point: ReadPoint, ids: Sequence[int], n_prefix: int
) -> float:
    """How far reading behind a kept prefix is from reading in one go, as a share of the stream."""
    reader = Reader(model, point)
    whole = reader._stream([ids], 0)[0, n_prefix : len(ids)]  # noqa: SLF001  # Same module.
    behind = reader._stream([ids], n_prefix)[0, : len(ids) - n_prefix]  # noqa: SLF001
    return float((whole - behind).norm() / whole.norm())
