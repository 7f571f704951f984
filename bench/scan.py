"""A watch-list scan beside the peers' ways, the machine's own limit, and autoencoders of any size."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.frame import ROOT, Measured, Row, Side, apart, beside, in_turns, middle

TITLE = "A watch-list scan"
ABOUT = """
SmolLM2-135M-Instruct in float32, 8 texts of 128 tokens, the output of the fifteenth of its 30 blocks
(`blocks.14.hook_resid_post`: 15 blocks are computed), random JumpReLU autoencoders in SAELens's
layout whose latents fire on about one token in 200, 32 of them watched, two threads. Each side is a
process of its own, made ready beforehand; then all take turns, one pass each a round. A ratio is
that of the medians; in brackets the lowest and the highest of a round. Ours: the model is loaded
and computed no deeper than the block that is read, through the scanner's own reading path, and only
the watched columns are encoded. The peers are their own packages (requirements/peers.txt) on the
same torch: SAELens's `run_with_cache_with_saes` keeping one activation; Hugging Face with all hidden
states and SAELens's encoder; and the better of two early stops, nnsight's `tracer.stop()` and
TransformerLens's `stop_at_layer`, with SAELens's encoder.
"""
PEERS = ROOT / ".venv-peers/bin/python"
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "7"))
WIDTHS = (16_384, 65_536)
SIZES = (16_384, 1_048_576, 16_777_216)
QUIET = 0.5
STOPS = ("nnsight", "stop_at_layer")
SCREENED = ("float32", "bfloat16", "unchecked")

_said: list[str] = []


def run() -> list[Row]:
    """Tokens a second, and what else the table says."""
    _said.clear()
    if not PEERS.exists():
        raise SystemExit("The peers' packages are not here: run `make peers`.")
    _tell_of_load()
    with _inputs() as env:
        apart("bench.scans.written", "inputs", env)
        rows = [row for width in WIDTHS for row in _beside_peers(width, env)]
        return [*rows, *_of_any_size(env), _suite(env)]


def _tell_of_load() -> None:
    """What else the machine was doing."""
    load = os.getloadavg()[0]
    shared = "; others worked on it, which stretches medians most" if load > QUIET else ""
    _say(f"Load of the machine before: {load:.2f} on {_cores()} cores{shared}.")


def remarks() -> str:
    """What the rows cannot hold."""
    return "\n".join(f"- {each}" for each in _said)


def _beside_peers(width: int, env: dict[str, str]) -> list[Row]:
    """One autoencoder, all ways, the machine's peak, and bfloat16 for the wider one."""
    ways = ("saelens", "hidden", *STOPS)
    sides = {"ours": Side("bench.scans.ours", f"watched-{width}")}
    sides |= {way: Side("bench.scans.peers", f"{way}-{width}", str(PEERS)) for way in ways}
    sides["peak"] = Side("bench.scans.machine", "shapes-float32")
    sides["square"] = Side("bench.scans.machine", "square-float32")
    if width == max(WIDTHS):
        sides |= {f"screened-{dtype}": Side("bench.scans.screened", dtype) for dtype in SCREENED}  # fmt: skip
    found = in_turns(sides, ROUNDS, env)
    best = max(STOPS, key=lambda way: middle(found[way]).rate)
    against = {"saelens": "SAELens's API", "hidden": "hidden states + encode", best: f"{best} + encode"}  # fmt: skip
    rows = [
        beside(f"{width:,} latents, against {what}", "tokens/s", found["ours"], found[way])
        for way, what in against.items()
    ]
    _tell_of_ratios(width, found, against)
    _tell_of_agreement(width, env)
    rows.append(_share_of_peak(width, found))
    if "screened-bfloat16" in found:
        rows.append(beside(
            f"{width:,} latents, bfloat16 with recheck, against SAELens's API", "tokens/s",
            found["screened-bfloat16"], found["saelens"],
        ))  # fmt: skip
        _tell_of_screening(env, found)
    return rows


def _share_of_peak(width: int, found: dict[str, list[Measured]]) -> Row:
    """Our operations a second beside bare products of the same shapes."""
    from bench.scans import machine

    a_token = machine.pass_operations() / machine.TOKENS / 1e9
    ours = [Measured(a_token * each.rate, each.rss, {"cpu": a_token * each.more["cpu"]})
            for each in found["ours"]]  # fmt: skip
    peak, square = best_of(found["peak"]), best_of(found["square"])
    _say(
        f"{width:,} latents, best passes: {best_of(ours):,.0f} GFLOP/s, {best_of(ours) / peak:.0%} of "
        f"the {peak:,.0f} of bare products of the blocks' shapes; one product of {machine.SIDE:,} "
        f"squares reaches {square:,.0f}."
    )
    what = f"{width:,} latents, against bare products of the blocks' shapes"
    return beside(what, "GFLOP/s", ours, found["peak"])


def _tell_of_ratios(width: int, found: dict[str, list[Measured]], against: dict[str, str]) -> None:
    """The same by the best pass and by processor time, which others on the machine stretch less."""
    best, cpu = best_of(found["ours"]), middle(found["ours"]).more["cpu"]
    quick = [f"{what} {best / best_of(found[way]):.2f}" for way, what in against.items()]
    spent = [f"{what} {cpu / middle(found[way]).more['cpu']:.2f}" for way, what in against.items()]
    _say(f"{width:,} latents, ratios of the best passes: {', '.join(quick)}.")
    _say(f"{width:,} latents, ratios by processor time: {', '.join(spent)}.")


def best_of(measured: list[Measured]) -> float:
    """The highest rate."""
    return max(each.rate for each in measured)


def _tell_of_agreement(width: int, env: dict[str, str]) -> None:
    """Whether all sides decided alike on the watched latents."""
    import torch
    from safetensors.torch import load_file

    folder = Path(env["BENCH_INPUTS"]) / "found"
    (ours,) = (load_file(at)["watched"] for at in folder.glob(f"watched-{width}.*"))
    theirs = [load_file(at)["watched"] for at in folder.glob(f"*-{width}.*")]
    n_differ = sum(int(((each != 0) != (ours != 0)).sum()) for each in theirs)
    widest = max(float((each - ours).abs().max()) for each in theirs) / float(ours.max())
    assert torch.count_nonzero(ours), "no watched latent fired; the comparison would say nothing"
    _say(f"{width:,} latents: {int((ours != 0).sum()):,} of {ours.numel():,} watched activations are "
         f"above their threshold; {n_differ} of these decisions differ between any two sides, values "
         f"by at most {widest:.1e} of the largest.")  # fmt: skip


def _tell_of_screening(env: dict[str, str], found: dict[str, list[Measured]]) -> None:
    """What was read again, and whether anything was decided otherwise."""
    from safetensors.torch import load_file

    folder = Path(env["BENCH_INPUTS"])
    quick, exact = (load_file(folder / f"screened_{dtype}.safetensors") for dtype in ("bfloat16", "float32"))  # fmt: skip
    n_differ = int((quick["decided"] != exact["decided"]).sum())
    n_rechecked, n_flipped = quick["told"].tolist()
    times, alone = (
        best_of(found[f"screened-{dtype}"]) / best_of(found["screened-float32"])
        for dtype in ("bfloat16", "unchecked")
    )
    _say(
        f"bfloat16 with recheck: {n_rechecked} of {len(exact['decided'])} prompts read again, "
        f"{n_flipped} of them flipped; {n_differ} of {exact['decided'].numel():,} decisions differ "
        f"from float32's. {times:.2f} times the same scan in float32 by the best passes; without "
        f"the recheck it would be {alone:.2f} times, and decide nothing."
    )


def _of_any_size(env: dict[str, str]) -> list[Row]:
    """The same watch-list from thousands to millions of latents."""
    from bench.scans import wide

    sizes = [size for size in SIZES if wide.has_room(size, Path(env["BENCH_INPUTS"]))]
    for size in set(SIZES) - set(sizes):
        _say(f"{size:,} latents: left out, the disk has no room for the encoder.")
    for size in sizes:
        apart("bench.scans.wide", f"write-{size}", env)
        opened = apart("bench.scans.wide", f"opened-{size}", env).more
        _say(f"{size:,} latents: 32 columns are there {opened['cold']:.2f} s after opening, from disk; "
             f"{opened['warm']:.2f} s where the system still has them.")  # fmt: skip
    found = in_turns(
        {str(size): Side("bench.scans.wide", str(size)) for size in sizes}, ROUNDS, env
    )
    first = middle(found[str(SIZES[0])]).more["cpu"]
    alone = apart("bench.scans.wide", "memory-0", env).more["peak"]
    for size in sizes:
        more = apart("bench.scans.wide", f"memory-{size}", env).more["peak"] - alone
        _say(
            f"{size:,} latents: at most {more:+.0f} MiB beside the truncated model's {alone:.0f}; by "
            f"processor time {middle(found[str(size)]).more['cpu'] / first:.2f} of {SIZES[0]:,}."
        )
    return [
        beside(f"{size:,} latents, against {SIZES[0]:,}", "tokens/s", found[str(size)], found[str(SIZES[0])])
        for size in sizes[1:]
    ]  # fmt: skip


def _suite(env: dict[str, str]) -> Row:
    """Prompts of differing lengths, as the product reads them."""
    sides = {name: Side("bench.scans.suite", name) for name in ("watched", "everything")}
    found = in_turns(sides, ROUNDS, env)
    return beside("shipped prompts, against everything computed", "tokens/s", found["watched"], found["everything"])  # fmt: skip


@contextmanager
def _inputs() -> Iterator[dict[str, str]]:
    """A folder for what is read, gone afterwards, and the environment that names it."""
    with tempfile.TemporaryDirectory(prefix="strata-scan-") as folder:
        yield {
            "BENCH_INPUTS": folder,
            "OMP_NUM_THREADS": str(_cores()),
            "SPARSIFY_DISABLE_TRITON": "1",
            "WANDB_MODE": "disabled",
            "WANDB_ERROR_REPORTING": "false",
        }


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _say(line: str) -> None:
    _said.append(line)
