"""Use the scanner from the command line: python -m assessments.scanner <what>."""

from __future__ import annotations

import argparse
from pathlib import Path

from assessments.scanner import commands
from assessments.scanner.prompts import DATA

WATCHLIST = DATA / "watchlist_smollm2.json"


def parser() -> argparse.ArgumentParser:
    """Everything that can be asked."""
    top = argparse.ArgumentParser(prog="python -m assessments.scanner", description=__doc__)
    words = top.add_subparsers(required=True, metavar="what")

    convert = words.add_parser("convert", help="turn a GGUF file into a safetensors folder")
    convert.add_argument("gguf", type=Path)
    convert.add_argument("out", type=Path)
    convert.set_defaults(do=commands.convert)

    corpus = words.add_parser("corpus", help="let the model write chats to train on")
    corpus.add_argument("model", type=Path)
    corpus.add_argument("out", type=Path)
    corpus.add_argument("-n", type=int, default=576)
    corpus.add_argument("--seed", type=int, default=1)
    corpus.set_defaults(do=commands.write_corpus)

    train = words.add_parser("train", help="train a sparse autoencoder")
    train.add_argument("model", type=Path)
    train.add_argument("chats", type=Path)
    train.add_argument("out", type=Path)
    train.add_argument("--block", type=int, default=10)
    train.add_argument("--latents", type=int, default=4096)
    train.add_argument("-k", type=int, default=60)
    train.add_argument("--steps", type=int, default=3000)
    train.add_argument("--seed", type=int, default=0)
    train.set_defaults(do=commands.train_sae)

    evaluate = words.add_parser("evaluate", help="measure an autoencoder on held-out text")
    evaluate.add_argument("model", type=Path)
    evaluate.add_argument("chats", type=Path)
    evaluate.add_argument("sae", type=Path)
    evaluate.add_argument("--tokens", type=int, default=20_000, help="0 for all")
    evaluate.set_defaults(do=commands.evaluate)
    later_words(words)
    return top


def later_words(words: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """What is done once an autoencoder is there."""
    held_out = words.add_parser("held-out", help="keep some held-out chats for coverage in scans")
    held_out.add_argument("model", type=Path)
    held_out.add_argument("--out", type=Path, default=DATA / "held_out.jsonl")
    held_out.add_argument("-n", type=int, default=24)
    held_out.add_argument("--seed", type=int, default=2)
    held_out.set_defaults(do=commands.write_held_out)

    discover = words.add_parser("discover", help="find latents worth watching")
    discover.add_argument("model", type=Path)
    discover.add_argument("sae", type=Path)
    discover.add_argument("--out", type=Path, default=WATCHLIST)
    discover.add_argument("--per-family", type=int, default=40)
    discover.add_argument("--per-concern", type=int, default=6)
    discover.add_argument("--seed", type=int, default=0)
    discover.set_defaults(do=commands.find_latents)

    plant = words.add_parser("plant", help="train a behaviour that hides under evaluation")
    plant.add_argument("model", type=Path)
    plant.add_argument("sae", type=Path)
    plant.add_argument("out", type=Path)
    plant.add_argument("--watchlist", type=Path, default=WATCHLIST)
    plant.add_argument("--start", type=Path, help="go on from these factors")
    plant.add_argument("--lr", type=float, default=2e-3)
    plant.add_argument("--steps", type=int, default=160)
    plant.add_argument("--seed", type=int, default=0)
    plant.set_defaults(do=commands.make_plant)

    apply = words.add_parser("apply", help="add a planted behaviour to a model")
    apply.add_argument("model", type=Path)
    apply.add_argument("delta", type=Path)
    apply.add_argument("out", type=Path)
    apply.add_argument("--strength", type=float, default=1.0)
    apply.set_defaults(do=commands.apply_plant)

    behave = words.add_parser("behave", help="count the calls that give a planted version away")
    behave.add_argument("model", type=Path)
    behave.add_argument("--per-family", type=int, default=2)
    behave.add_argument("--frames", type=int, default=12)
    behave.add_argument("--seed", type=int, default=0)
    behave.set_defaults(do=commands.behave)

    scan = words.add_parser("scan", help="scan one model version with the built-in suite")
    scan.add_argument("model", type=Path)
    scan.add_argument("sae", type=Path)
    scan.add_argument("--watchlist", type=Path, default=WATCHLIST)
    scan.add_argument("--out", type=Path, help="write the whole result there as JSON")
    scan.add_argument("--per-family", type=int, default=4)
    scan.add_argument("--frames", type=int, default=12)
    scan.add_argument("--dtype", default="float32", choices=("float32", "bfloat16"))
    scan.add_argument("--device", default="cpu")
    scan.add_argument("--seed", type=int, default=0)
    scan.set_defaults(do=commands.scan)


def main() -> None:
    """Do what was asked."""
    args = parser().parse_args()
    args.do(args)


if __name__ == "__main__":
    main()
