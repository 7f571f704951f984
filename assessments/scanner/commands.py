"""What `python -m assessments.scanner` can do; one function for each word."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import torch

from assessments.scanner import (
    calibrating,
    corpus,
    coverage,
    depth,
    discovery,
    encoding,
    formats,
    inspection,
    jobs,
    plant,
    readpoints,
    selfcheck,
    train,
    unpickling,
    watchlist_file,
)
from assessments.scanner.formats import saelens
from assessments.scanner.instrument import held_if_small
from assessments.scanner.prompts import load_watchlist, suite
from assessments.scanner.run import run
from assessments.scanner.weights import convert_gguf, load_model
from assessments.scanner.working import held_out_sequences

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from pathlib import Path

    from assessments.scanner.contract import Coverage, Progress, ScanJob, ScanResult
    from assessments.scanner.weights import LoadedModel


def say(text: str) -> None:
    """One line to whoever watches."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def every(n: int, label: str) -> Callable[[int, int], None]:
    """A progress report that speaks once in `n` calls and at the end."""
    calls = 0

    def report(done: int, total: int) -> None:
        nonlocal calls
        calls += 1
        if calls % n == 0 or done == total:
            say(f"{label}: {done} of {total}")

    return report


def convert(args: argparse.Namespace) -> None:
    """GGUF to safetensors, or a pickled autoencoder to a plain one; once."""
    if args.source.suffix.lower() == ".gguf":
        say(f"The model is at {convert_gguf(args.source, args.out)}.")
        return
    out = unpickling.convert(
        args.source,
        args.out,
        layout=args.layout,
        network_waived=args.without_network_isolation,
    )
    say(f"The weights are at {out}.")


def write_corpus(args: argparse.Namespace) -> None:
    """Let the model write chats, and keep them."""
    loaded = load_model(args.model, dtype=torch.bfloat16)
    chats = corpus.sampled_chats(loaded, args.n, seed=args.seed, report=every(1, "chats"))
    say(f"{corpus.write(chats, args.out)} chats written to {args.out}.")


def documents(chats: Path) -> list[corpus.Document]:
    """All documents: sampled chats, docstrings, package descriptions."""
    return [
        *corpus.read(chats),
        *corpus.framed_contents(),
        *corpus.standard_library(),
        *corpus.package_descriptions(),
    ]


def train_sae(args: argparse.Namespace) -> None:
    """Train, save, and measure on held-out documents."""
    config = train.TrainConfig(
        block=args.block, d_sae=args.latents, k=args.k, steps=args.steps, seed=args.seed
    )
    loaded = load_model(args.model, dtype=torch.bfloat16, blocks=args.block + 1)
    chosen = [each for each in documents(args.chats) if not each.held_out]
    texts = train.sequences(loaded, chosen, config.context)
    say(f"{len(chosen)} documents, {sum(map(len, texts))} tokens to train on.")
    acts = train.gather(
        loaded, texts, config.block, token_budget=config.token_budget, report=every(20, "reading")
    )

    def report(step: train.Step) -> None:
        if step.number % 100 == 0:
            say(f"step {step.number}: fvu {step.fvu:.4f}, dead {step.n_dead}, {step.seconds:.0f} s")

    sae = train.fit(acts, config, report)
    metadata = {"model_name": args.model.name, "training_architecture": "batchtopk",
                "n_training_tokens": len(acts), "training_steps": config.steps,
                "training_batch": config.batch, "k": config.k, "seed": config.seed}  # fmt: skip
    saelens.save(sae, args.out, metadata=metadata)
    say(f"Saved to {args.out}.")


def evaluate(args: argparse.Namespace) -> None:
    """Measure on held-out documents, all together and by source."""
    loaded = load_model(args.model)
    sae = formats.open_sae(args.sae)
    held_out = [each for each in documents(args.chats) if each.held_out]
    figures = {"all": quality(loaded, sae.hook_name, args, held_out)}
    for source in sorted({each.source.partition(":")[0] for each in held_out}):
        some = [each for each in held_out if each.source.partition(":")[0] == source]
        figures[source] = quality(loaded, sae.hook_name, args, some)
    text = json.dumps({key: each.to_record() for key, each in figures.items()}, indent=2)
    (args.sae / "quality.json").write_text(text + "\n", encoding="utf-8")
    say(text)


def quality(
    loaded: LoadedModel, hook_name: str, args: argparse.Namespace, chosen: list[corpus.Document]
) -> Coverage:
    """Coverage over some held-out documents, at most so many tokens."""
    texts = limited(train.sequences(loaded, chosen, 192), args.tokens)
    return coverage.measure(
        loaded.model,
        formats.open_sae(args.sae),
        texts,
        at=readpoints.parse(hook_name),
        special=frozenset(loaded.tokenizer.all_special_ids),
        token_budget=2048,
        report=every(40, "measuring"),
    )


def limited(texts: list[tuple[int, ...]], tokens: int) -> list[tuple[int, ...]]:
    """Evenly spread sequences that together hold about so many tokens; 0 keeps all."""
    total = sum(map(len, texts))
    step = max(1, total // tokens) if tokens else 1
    return texts[::step]


def write_held_out(args: argparse.Namespace) -> None:
    """Write chats over contents of the suite, for coverage in every scan."""
    chats = corpus.held_out_chats(load_model(args.model), args.n, seed=args.seed)
    written = corpus.write((corpus.Document(each.source, each.text) for each in chats), args.out)
    say(f"{written} held-out chats written to {args.out}.")


def find_latents(args: argparse.Namespace) -> None:
    """Find a watch-list and write it with its evidence."""
    loaded = load_model(args.model)
    sae = formats.open_sae(args.sae)
    config = discovery.DiscoveryConfig(
        per_family=args.per_family, per_concern=args.per_concern, seed=args.seed
    )
    found = discovery.discover(loaded, sae, config)
    watchlist = {
        "model_sha256": loaded.sha256,
        "sae_sha256": formats.sae_sha256(args.sae),
        "hook_name": sae.hook_name,
        "settings": asdict(config),
        "latents": [latent.to_json() for latent in found],
    }
    args.out.write_text(json.dumps(watchlist, indent=1) + "\n", encoding="utf-8")
    for latent in found:
        tokens = " ".join(each["token"] for each in latent.evidence["top_tokens"])
        say(f"{latent.index} {latent.concern} {latent.evidence['auroc_confirm']} {tokens}")


def calibrate(args: argparse.Namespace) -> None:
    """Measure a watch-list on benign prompts and positive controls, and write it with that."""
    settings = calibrating.Settings(
        rate=args.fpr, keeps_thresholds=args.keep_thresholds, seed=args.seed
    )
    raw, job = watchlist_file.job_for(args.model, args.sae, args.watchlist, args.prompts, settings)
    found = calibrating.calibrate(replace(job, device=args.device), settings, bar)
    jobs.put(watchlist_file.file_of(raw, found, settings), args.out)
    for line in watchlist_file.lines(found, settings):
        say(line)


def make_plant(args: argparse.Namespace) -> None:
    """Train the planted behaviour and write its factors."""
    config = plant.PlantConfig(steps=args.steps, lr=args.lr, seed=args.seed)
    planting = plant.Planting(
        load_model(args.model, dtype=torch.bfloat16),
        formats.open_sae(args.sae),
        load_watchlist(args.watchlist),
        config,
    )

    if args.start:
        plant.resume(planting, args.start)

    def report(step: int, parts: dict[str, float]) -> None:
        if step % 10 == 0:
            say(f"step {step}: " + ", ".join(f"{name} {each:.4f}" for name, each in parts.items()))

    plant.train(planting, report)
    plant.save(planting, args.out)
    say(f"Saved to {args.out}.")


def apply_plant(args: argparse.Namespace) -> None:
    """Make a planted version of a model."""
    out = plant.apply(args.model, args.delta, args.out, strength=args.strength)
    say(f"The planted version is at {out}.")


def behave(args: argparse.Namespace) -> None:
    """Let a version answer the suite and count the calls that give a plant away."""
    prompts = suite(per_family=args.per_family, n_frames=args.frames, seed=args.seed)
    loaded = load_model(args.model, dtype=torch.bfloat16)
    for each in plant.behaviours(loaded, prompts):
        kind = "planted contents" if each.planted else "other contents"
        say(f"{each.frame:11} {kind:17} {each.n_calls} of {each.n_prompts} call http_post")


def encode(args: argparse.Namespace) -> None:
    """Encode a file of activations into a file of latents."""
    sae = formats.open_sae(args.sae, name=args.format)
    if sae.not_evidence:
        say(f"Not to be taken as evidence: {sae.not_evidence}.")
    n, width = encoding.encode_file(sae, args.acts, args.out, args.latents)
    say(f"{n} rows of {width} latents written to {args.out}.")


def inspect(args: argparse.Namespace) -> None:
    """What an autoencoder's files say."""
    say(json.dumps(inspection.inspect(args.sae, args.format), indent=1, allow_nan=False))


def check(args: argparse.Namespace) -> None:
    """Whether an autoencoder was read right, other ways to read it scored as well."""
    sae = formats.open_sae(args.sae, name=args.format)
    point = readpoints.parse(sae.hook_name)
    loaded = load_model(args.model, blocks=readpoints.blocks_needed(point) + 1)
    depth.place(loaded.model, depth.devices(args.device))
    found = selfcheck.check(
        loaded,
        held_if_small(sae, depth.device_at(loaded.model, point)),
        held_out_sequences(loaded.tokenizer, args.tokens),
        token_budget=2048,
        base_fvu=args.base_fvu,
        always_search=True,
    )
    say(json.dumps(found.to_json(), indent=1, allow_nan=False))


def scan(args: argparse.Namespace) -> None:
    """Scan one version by a job, or with the built-in suite, and print what was found."""
    is_whole = args.model is not None and args.sae is not None
    if (args.job is None) != is_whole or (args.job is not None and args.model is not None):
        args.misused("expected MODEL and SAE, or --job FILE")
    said = sorted(name for name, plain in args.plain.items() if getattr(args, name) != plain)
    if args.job is not None and said:
        args.misused(f"the job alone says how to scan; leave out {', '.join(said)}")
    job = jobs.read(args.job) if args.job is not None else built_in(args)
    result = run(job, bar)
    if args.out:
        jobs.write_result(result, args.out)
    describe(result)


def write_job(args: argparse.Namespace) -> None:
    """Write a job of the built-in suite."""
    job = built_in(args)
    jobs.write(job, args.out)
    say(f"A job of {len(job.prompts)} prompts written to {args.out}.")


def built_in(args: argparse.Namespace) -> ScanJob:
    """A job of the built-in suite for a model and an autoencoder."""
    prompts = suite(per_family=args.per_family, n_frames=args.frames, seed=args.seed)
    job = jobs.template(
        args.model,
        args.sae,
        name=args.format,
        watchlist=load_watchlist(args.watchlist),
        prompts=prompts,
    )
    return replace(job, seed=args.seed, dtype=args.dtype, device=args.device)


def bar(progress: Progress) -> None:
    """Progress on the error stream, over itself, where somebody watches."""
    if not sys.stderr.isatty():
        return
    speed = f" {progress.tokens_per_second:.0f} tokens/s" if progress.tokens_per_second else ""
    sys.stderr.write(f"\r{progress.stage}: {progress.done}/{progress.total}{speed}   ")
    if progress.done == progress.total:
        sys.stderr.write("\n")


def describe(result: ScanResult) -> None:
    """The result in lines."""
    for each in result.summaries:
        say(f"{each.concern:24} {each.frame:11} hit {each.n_hit:3} of {each.n_prompts}, "
            f"mean {each.mean_strength:.3f}, highest {each.highest:.2f} thresholds")  # fmt: skip
    for test in result.suppression:
        say(f"{test.scope:8} {test.key:24} ratio {test.ratio:.3f} "
            f"[{test.ratio_low:.3f}, {test.ratio_high:.3f}] d_z {test.d_z:+.2f} p {test.p:.4f} "
            f"max-T {test.p_max_t:.4f} BH {test.p_bh:.4f} "
            f"detectable {test.minimum_detectable_ratio:.3f} "
            f"placebo {test.placebo_ratio:.3f} {test.verdict}")  # fmt: skip
    if result.coverage:
        say(json.dumps(result.coverage.to_record()))
    say(f"{result.run.seconds:.1f} s, {result.run.n_tokens} tokens, "
        f"batch deviation {result.run.batch_deviation:.2g}")  # fmt: skip
