"""What a scan reads with: a model, an autoencoder on it, and the watched latents' own weights.

Loading costs more than reading a few prompts, so a process keeps the last models it loaded, each
by the digest of its files; one that is kept was checked when it was read and cannot change since.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch

from assessments.scanner import controls, depth, formats, packed, readpoints
from assessments.scanner.contract import ScanFailed
from assessments.scanner.weights import load_model

if TYPE_CHECKING:
    from assessments.scanner.contract import ScanJob
    from assessments.scanner.readpoints import ReadPoint
    from assessments.scanner.sae import Columns, SparseAutoencoder
    from assessments.scanner.weights import LoadedModel

HELD_AT_MOST = 1 << 30
"""An autoencoder of more bytes than this, as float32, stays on disk."""
N_KEPT = 2


class Wanted(NamedTuple):
    """Which model, and how."""

    path: str
    sha256: str
    tokenizer: str
    dtype: str
    device: str


@dataclass
class Shelf:
    """The last models of this process."""

    kept: OrderedDict[Wanted, tuple[LoadedModel, int | None]] = field(default_factory=OrderedDict)

    def model(self, wanted: Wanted, blocks: int | None) -> LoadedModel:
        """A model at least `blocks` deep; None for all of it.

        Raises:
            ScanFailed: it is not what its digest says, or could not be read.
        """
        if wanted in self.kept:
            loaded, depth = self.kept[wanted]
            if depth is None or (blocks is not None and blocks <= depth):
                self.kept.move_to_end(wanted)
                return loaded
            del self.kept[wanted]
        loaded = load(wanted, blocks)
        if wanted.sha256:
            self.kept[wanted] = (loaded, blocks)
            while len(self.kept) > N_KEPT:
                self.kept.popitem(last=False)
        return loaded


SHELF = Shelf()


def load(wanted: Wanted, blocks: int | None) -> LoadedModel:
    """Read a model from disk and bring it to its device."""
    try:
        loaded = load_model(
            Path(wanted.path),
            expected_sha256=wanted.sha256,
            blocks=blocks,
            dtype=getattr(torch, wanted.dtype),
            tokenizer=Path(wanted.tokenizer) if wanted.tokenizer else None,
        )
    except OSError as error:
        message = f"the model at {wanted.path} could not be read: {error}"
        raise ScanFailed(message, permanent=False) from error
    devices = depth.devices(wanted.device)
    depth.place(loaded.model, devices)
    if devices[0].type == "cpu":
        packed.pack(loaded.model)
    return loaded


@dataclass(frozen=True)
class Instrument:
    """A model with an autoencoder at one of its points."""

    job: ScanJob
    loaded: LoadedModel
    sae: SparseAutoencoder
    point: ReadPoint
    columns: Columns
    beside: Columns | None = None
    """Of the controls, in the order of `controls.read_along`; None where the job reads none."""

    @property
    def device(self) -> torch.device:
        """Where the stream is read."""
        return depth.device_at(self.loaded.model, self.point)


def assemble(job: ScanJob, *, whole: bool, dtype: str = "float32") -> Instrument:
    """Load what the job names; without `whole` no deeper than the read point.

    Raises:
        ScanFailed: a file is not what the job says, or the parts do not fit each other.
    """
    sae = formats.open_sae(Path(job.sae_path), name=job.sae_format, expected_sha256=job.sae_sha256)
    if sae.not_evidence:
        raise ScanFailed(f"{Path(job.sae_path).name}: {sae.not_evidence}", permanent=True)
    if sae.hook_name != job.hook_name:
        message = f"the autoencoder reads {sae.hook_name}, the job asks for {job.hook_name}"
        raise ScanFailed(message, permanent=True)
    beyond = [latent.index for latent in job.watchlist if not 0 <= latent.index < sae.d_sae]
    if beyond:
        message = f"the autoencoder has {sae.d_sae} latents; the watch-list names {beyond[:5]}"
        raise ScanFailed(message, permanent=True)
    point = readpoints.parse(job.hook_name)
    wanted = Wanted(job.model_path, job.model_sha256, job.tokenizer_path, dtype, job.device)
    loaded = SHELF.model(wanted, None if whole else readpoints.blocks_needed(point))
    readpoints.expect_width(loaded.model, point, sae.d_in)
    at = depth.device_at(loaded.model, point)
    columns = sae.columns([latent.index for latent in job.watchlist], at)
    along = controls.read_along(job)
    beside = sae.columns(along, at) if along else None
    return Instrument(job, loaded, sae, point, columns, beside)


def held_if_small(sae: SparseAutoencoder, device: torch.device) -> SparseAutoencoder:
    """The autoencoder in memory, unless it is too large for that."""
    n_bytes = 4 * sae.d_sae * (sae.d_in + sae.d_out)
    return sae.held(device) if n_bytes <= HELD_AT_MOST else sae
