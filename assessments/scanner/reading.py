"""Read a model at one point, lot by lot.

1. Read the prefix that lots share, once, and keep its keys and values.
2. Run the rest no further than the read point; the head is never computed.
3. When memory runs out, halve the lot and go on.

On a processor several lots are read at once, each on one core.

Shapes: B sequences, T positions, D width of the read point.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from copy import deepcopy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from transformers import DynamicCache

from assessments.scanner import lanes, readpoints
from assessments.scanner.activations import Stop
from assessments.scanner.contract import ScanFailed
from assessments.scanner.lots import Lot, padded

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from torch import Tensor
    from transformers import PreTrainedModel

    from assessments.scanner.readpoints import ReadPoint

MOST_PREFIXES = 8
CHANGING = {"dynamic", "longrope"}


@dataclass
class Reader:
    """One model, read at one point."""

    model: PreTrainedModel
    point: ReadPoint
    n_halved: int = 0
    """How often a lot was halved because memory ran out."""
    prefixes: OrderedDict[tuple[int, ...], DynamicCache] = field(default_factory=OrderedDict)
    """Keys and values of the last prefixes; never written to once they are here."""
    here: threading.local = field(default_factory=threading.local)
    """What this thread waits for, and what it caught."""

    def read(
        self, sequences: Mapping[int, Sequence[int]], lots: Iterable[Lot]
    ) -> Iterator[tuple[Lot, list[tuple[int, Tensor]]]]:
        """Each lot with its sequences by their place, and their streams behind the shared prefix.

        Yields:
            The lot; places and (T, D) in float32 for the tokens from `lot.n_prefix` on.

        Raises:
            ScanFailed: memory runs out on a single sequence.
        """
        handle = readpoints.tap(self.model, self.point).watch(self._see)
        try:
            for lot, (found, n_halved) in lanes.over(
                lots, lambda lot: self._lot(sequences, lot), n=n_lanes(self.model)
            ):
                self.n_halved += n_halved
                yield lot, found
        finally:
            handle.remove()

    def alone(self, ids: Sequence[int]) -> Tensor:
        """One sequence without neighbours or a kept prefix: (T, D) float32."""
        ((_, ((_, stream),)),) = self.read({0: ids}, [Lot((0,), 0, 0)])
        return stream

    def _lot(
        self, sequences: Mapping[int, Sequence[int]], lot: Lot
    ) -> tuple[list[tuple[int, Tensor]], int]:
        """One lot, halved where memory runs out; and how often it was."""
        waiting, n_halved = [list(lot.places)], 0
        found: list[tuple[int, Tensor]] = []
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
                n_halved += 1
                torch.cuda.empty_cache()
                middle = len(places) // 2
                waiting[:0] = [places[:middle], places[middle:]]
                continue
            found += [
                (place, stream[row, : len(sequences[place]) - lot.n_prefix])
                for row, place in enumerate(places)
            ]
        return found, n_halved

    @torch.no_grad()
    def _stream(self, sequences: Sequence[Sequence[int]], n_prefix: int) -> Tensor:
        """The streams of some sequences side by side, behind their prefix: (B, T, D) float32."""
        named: dict[str, Any] = {"use_cache": False}
        if n_prefix:
            kept = deepcopy(self._prefix(tuple(sequences[0][:n_prefix])))
            kept.batch_repeat_interleave(len(sequences))
            named = {"past_key_values": kept, "use_cache": True}
        width = padded(max(map(len, sequences)) - n_prefix)
        ids = torch.zeros(len(sequences), width, dtype=torch.long)  # (B, T)
        mask = torch.zeros(len(sequences), n_prefix + width, dtype=torch.long)
        for row, each in enumerate(sequences):
            ids[row, : len(each) - n_prefix] = torch.tensor(each[n_prefix:])
            mask[row, : len(each)] = 1
        return self._run(ids, mask, **named)

    def _prefix(self, ids: tuple[int, ...]) -> DynamicCache:
        """Keys and values of a prefix; of several lanes that miss it at once, each reads it."""
        if ids in self.prefixes:
            return self.prefixes[ids]
        kept = DynamicCache(config=self.model.config)
        head = torch.tensor([ids])
        self._run(head, torch.ones_like(head), past_key_values=kept, use_cache=True)
        self.prefixes[ids] = kept
        while len(self.prefixes) > MOST_PREFIXES:
            self.prefixes.popitem(last=False)
        return kept

    def _run(self, ids: Tensor, mask: Tensor, **named: Any) -> Tensor:
        """One pass that ends at the read point."""
        device = self.model.device
        self.here.waits = True
        try:
            self.model.base_model(input_ids=ids.to(device), attention_mask=mask.to(device), **named)
        except Stop:
            caught: Tensor = self.here.caught
            return caught.float()
        finally:
            self.here.waits, self.here.caught = False, None
        message = f"{type(self.model).__name__} was run and never came by {self.point.spelled}"
        raise ScanFailed(message, permanent=True)

    def _see(self, x: Tensor) -> None:
        """What stands at the read point; other lanes and other readers catch their own."""
        if getattr(self.here, "waits", False):
            self.here.caught = x
            raise Stop


def n_lanes(model: PreTrainedModel) -> int:
    """How many lots may be read at once: on a processor one a core.

    A model that changes its own rotary frequencies as it reads is read one lot at a time.
    """
    rope = getattr(model.config.get_text_config(), "rope_parameters", None) or {}
    kinds = {str(value) for value in flat(rope)}
    is_alone = model.device.type != "cpu" or kinds & CHANGING
    return 1 if is_alone else torch.get_num_threads()


def flat(found: Any) -> Iterator[Any]:
    """Every value in there."""
    if isinstance(found, dict):
        for each in found.values():
            yield from flat(each)
    else:
        yield found


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether the device, or the machine, had no room."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def prefix_deviation(
    model: PreTrainedModel, point: ReadPoint, ids: Sequence[int], n_prefix: int
) -> float:
    """How far reading behind a kept prefix is from reading in one go, as a share of the stream."""
    reader = Reader(model, point)
    ((_, ((_, behind),)),) = reader.read({0: ids}, [Lot((0,), n_prefix, 0)])
    whole = reader.alone(ids)[n_prefix:]
    return float((whole - behind).norm() / whole.norm())
