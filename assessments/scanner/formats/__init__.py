"""One module for each published file layout of sparse autoencoders, and the door to them all.

A layout is a module with

    NAME                  its name on the command line and in records
    recognises(path)      whether the files there look like it; reads no weights
    files(path)           the files that make the autoencoder; the digest is over them
    load(path)            the autoencoder, weights left on disk
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from assessments.scanner.contract import ScanFailed
from assessments.scanner.digests import file_sha256, manifest_sha256
from assessments.scanner.formats import (
    circuit_tracer,
    dictionary_learning,
    gemma_scope,
    gemma_scope_2,
    goodfire,
    llama_scope,
    llamascopium,
    openai_v5,
    qwen_scope,
    saelens,
    sparsify,
)

if TYPE_CHECKING:
    from pathlib import Path

    from assessments.scanner.sae import SparseAutoencoder


class Layout(Protocol):
    """What each module of this package offers."""

    NAME: str

    def recognises(self, path: Path) -> bool:
        """Whether the files there look like this layout."""

    def files(self, path: Path) -> tuple[Path, ...]:
        """The files that make the autoencoder."""

    def load(self, path: Path) -> SparseAutoencoder:
        """The autoencoder, weights left on disk."""


LAYOUTS: tuple[Layout, ...] = (
    saelens, sparsify, dictionary_learning, openai_v5, gemma_scope, gemma_scope_2, goodfire,
    llama_scope, llamascopium, qwen_scope, circuit_tracer,
)  # fmt: skip


def layout_of(path: Path, name: str = "") -> Layout:
    """The layout called `name`, or else the one the files look like.

    Raises:
        ScanFailed: there is no such layout, or none or several fit.
    """
    known = ", ".join(each.NAME for each in LAYOUTS)
    if name:
        for each in LAYOUTS:
            if name == each.NAME:
                return each
        raise ScanFailed(f"no layout is called {name!r}; known: {known}", permanent=True)
    if not path.exists():
        raise ScanFailed(f"{path}: there is nothing", permanent=True)
    fitting = [each for each in LAYOUTS if each.recognises(path)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        names = ", ".join(each.NAME for each in fitting)
        raise ScanFailed(f"{path.name} looks like {names}; say which with --format", permanent=True)
    raise ScanFailed(
        f"{path.name}: no known layout of a sparse autoencoder; known: {known}. Pickled files "
        "(.pt, .pth) are brought over by 'python -m assessments.scanner convert'",
        permanent=True,
    )


def sae_sha256(path: Path, name: str = "") -> str:
    """One digest for the files that make the autoencoder; cards and figures do not count."""
    files = layout_of(path, name).files(path)
    return manifest_sha256({each.name: file_sha256(each) for each in files})


def open_sae(path: Path, *, name: str = "", expected_sha256: str = "") -> SparseAutoencoder:
    """Read an autoencoder of any known layout; its weights stay on disk until they are asked for.

    Raises:
        ScanFailed: a digest differs, or the files ask for something this scanner does not compute.
    """
    layout = layout_of(path, name)
    if expected_sha256 and (found := sae_sha256(path, layout.NAME)) != expected_sha256:
        message = f"{path.name}: expected SAE sha256 {expected_sha256}, the files give {found}"
        raise ScanFailed(message, permanent=True)
    return layout.load(path)
